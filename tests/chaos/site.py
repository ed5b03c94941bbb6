"""Where the scenarios take place: the laptop stack, with fault proxies between the functions and their stores.

The functions under test run from their archives, as in the stack, at the stack's own addresses, so that Pub/Sub pushes
to them; only their stores' addresses are the proxies'. Witnesses ask the emulators themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from emulators.appliers import services
from emulators.capture import ROOT
from emulators.processes import ProcessFailed, Running, alive, ready, start
from emulators.processes.control import kill, stop
from emulators.stack import Stack
from layers.declarations import SecretKind, settings
from layers.declarations.settings import EMULATOR_HOSTS, Settings
from layers.retailers import Registry, Retailer
from tests.chaos.steering import Steering

UNDER_TEST = ("ingest", "cooling", "decisioning")
NEEDED = (*UNDER_TEST, "reconciliation")
"""What no scenario needs would only take memory and time."""
PROXIED = ("bigtable", "pubsub", "bigquery_storage", "firestore")
READY_S = 90.0
DRAINED_WITHIN_S = 60.0
"""Cloud Run allows 10 s between SIGTERM and SIGKILL; a busy test machine gets more, and the README says so."""


class Site:
    """Use it with `with`."""

    def __init__(self, folder: Path, say: Any = lambda _line: None) -> None:
        self._folder, self._say = folder, say
        self._exits = contextlib.ExitStack()
        self._running: dict[str, Running] = {}
        self.proxies: dict[str, Steering] = {}

    def __enter__(self) -> Site:
        with self._exits:
            self.stack = self._exits.enter_context(Stack.up(self._folder, only=NEEDED, say=self._say))
            self._exits.callback(lambda: stop(list(self._running.values())))
            for name in PROXIED:
                steering = Steering(name, self.stack.hosts[EMULATOR_HOSTS[name]], self.logs)
                self.proxies[name] = self._exits.enter_context(steering)
            for function in UNDER_TEST:
                self.stack.kill(function)
                self.serve(function)
            self._publish_tree()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    # -- what is where

    @property
    def logs(self) -> Path:
        return self._folder / "logs"

    @property
    def values(self) -> Settings:
        """Settings that lead to the emulators themselves."""
        every = {name: value for f in self.stack.functions for name, value in self.stack.environment(f).items()}
        return Settings({**every, **self.stack.hosts})

    @property
    def retailer(self) -> Retailer:
        return Registry.of_environment(self.values.values, settings.RETAILER_PREFIX).by_id["demo"]

    @property
    def project(self) -> str:
        return self.values[settings.PROJECT]

    @property
    def post_to(self) -> str:
        """Path and query of the Shopper Event API."""
        return f"/v1/events?key={self.retailer.write_key}"

    @property
    def signing_key(self) -> str:
        return self.stack.secret(SecretKind.SIGNING_KEY, "demo")

    def log(self, function: str) -> str:
        return self.stack.log(function)

    def pids(self, function: str) -> list[int]:
        """Of the function's master and its workers."""
        master = self._running[function].pid
        found = [master]
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == master and int(folder.name) != master and fields[0] not in "ZX":
                    found.append(int(folder.name))
        return found

    def memory_limit(self, function: str) -> int:
        """Bytes that the graph gives one instance."""
        limit: str = self._template(function)["containers"][0]["resources"]["limits"]["memory"]
        return int(limit.removesuffix("Mi")) * 1024 * 1024

    def concurrency(self, function: str) -> int:
        """Requests that the graph lets into one instance at a time."""
        return int(self._template(function)["maxInstanceRequestConcurrency"])

    def _template(self, function: str) -> Any:
        graph: Any = msgspec.json.decode((self.stack.folder / "graph.json").read_bytes())
        services_of_it = (each["inputs"] for each in graph["resources"] if each["type"] == services.SERVICE)
        return next(each["template"] for each in services_of_it if each["buildConfig"]["functionTarget"] == function)

    # -- what happens to it

    def serve(self, function: str, more: Mapping[str, str] | None = None) -> None:
        """Starts a function behind the proxies, at its own address, and waits until it answers.

        Args:
            more: environment values beside its own.
        """
        service = self.stack.wiring.service(function)
        values = self.stack.environment(function)
        hosts = {EMULATOR_HOSTS[name]: proxy.address for name, proxy in self.proxies.items()}
        folder = services.unpack(ROOT / service.archive, self._folder / "functions")
        home = self._folder / "functions" / "home" / f"{function}-under-test"
        home.mkdir(parents=True, exist_ok=True)
        environment = {**values, **hosts, **(more or {})}
        log = self.stack.log_file(function)
        process = start(services.start_of(service, folder, home.resolve(), environment, log, held=True))
        self._running[function] = process
        port = int(values["PORT"])
        ready.wait(process, lambda: ready.answers(port, services.READY_PATH, (404,)), READY_S)

    def kill(self, function: str) -> None:
        """SIGKILL to all of its processes; returns when they are gone."""
        kill([self._running[function]])

    def ask_to_stop(self, function: str) -> None:
        """SIGTERM to its first process, as Cloud Run does; returns when all of it is gone.

        Raises:
            ProcessFailed: it does not stop.
        """
        process, members = self._running[function], self.pids(function)
        os.kill(process.pid, signal.SIGTERM)
        until = time.monotonic() + DRAINED_WITHIN_S
        while alive(process) or any(Path(f"/proc/{pid}").exists() for pid in members[1:]):
            if time.monotonic() > until:
                kill([process])
                raise ProcessFailed(f"{function} did not stop within {DRAINED_WITHIN_S:.0f} s of SIGTERM")
            time.sleep(0.02)

    @contextlib.contextmanager
    def paused(self, emulator: str) -> Iterator[None]:
        """An emulator that takes connections and answers nothing for as long as the block runs (SIGSTOP).

        Bigtable's and Pub/Sub's emulators hold everything in memory: stopped for real they would lose what they
        acknowledged, which no cloud service does.
        """
        pid = self.stack.processes()[emulator]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _publish_tree(self) -> None:
        command = [sys.executable, "-m", "layers.tree", "publish", "layers/tree/examples/grocery_basket.yaml"]
        environment = {**os.environ, **self.values.values}
        subprocess.run([*command, "--retailer", "demo"], cwd=ROOT, env=environment, check=True, capture_output=True)
