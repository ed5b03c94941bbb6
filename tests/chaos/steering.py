"""A fault proxy seen from the scenario that steers it: started before a server, told what to do to its calls."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from emulators.processes import Running, Start, free_ports, start, stop
from emulators.processes.ports import HOST, give_back
from emulators.processes.ready import accepts, wait
from tests.chaos.faults import Fault
from tests.chaos.proxy import Order, Seen

ROOT = Path(__file__).parents[2]


class Steering:
    """One proxy. `with` starts and stops it.

    Args:
        name: of the store it stands before. upstream: `host:port` of that.
    """

    def __init__(self, name: str, upstream: str, logs: Path) -> None:
        self.name, self._upstream, self._log = name, upstream, logs / f"proxy-{name}.log"
        self._ports = free_ports(2)
        self._process: Running | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self._ports[0]}"

    def __enter__(self) -> Steering:
        port, control = self._ports
        words = ("--port", str(port), "--control", str(control), "--upstream", self._upstream)
        command = (sys.executable, "-m", "tests.chaos.proxy", *words)
        self._process = start(Start(f"proxy-{self.name}", command, {}, self._log, held=True, folder=ROOT))
        wait(self._process, lambda: accepts(port) and accepts(control))
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            stop([self._process])
        give_back(self._ports)

    def _order(self, order: Order) -> Seen:
        with socket.create_connection((HOST, self._ports[1]), timeout=30) as wire:
            wire.sendall(msgspec.json.encode(order) + b"\n")
            return msgspec.json.decode(wire.makefile("rb").readline(), type=Seen)

    def seen(self) -> Seen:
        return self._order(Order())

    def strike(self, *faults: Fault, seed: int = 0) -> None:
        """These faults from now on, and no others."""
        self._order(Order(faults=list(faults), seed=seed))

    @contextmanager
    def struck(self, *faults: Fault, seed: int = 0) -> Iterator[None]:
        """These faults for as long as the block runs, which must strike something, or it would prove nothing."""
        before = sum(self.seen().struck.values())
        self.strike(*faults, seed=seed)
        try:
            yield
        finally:
            self.strike()
        assert sum(self.seen().struck.values()) > before, f"no call to {self.name} was struck by {faults}"

    @contextmanager
    def down(self) -> Iterator[None]:
        """Connections end and new ones are refused for as long as the block runs: the store was stopped."""
        self._order(Order(listen=False))
        try:
            yield
        finally:
            self._order(Order(listen=True))
