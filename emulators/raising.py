"""Brings a stack up: emulators and graph side by side, then what the graph asks for, then the functions.

Owns the order and what is done at once; the appliers own how a resource is made, `processes` how a process starts. What
is healthy and unchanged is left alone, so a second call changes nothing; what a failed call started is stopped again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from emulators import graph as graphs
from emulators.appliers import bigquery, bigtable, firestore, pubsub, s3, secrets, services
from emulators.capture import ROOT, capture
from emulators.graph import Graph, Resource
from emulators.plan import Plan, plan
from emulators.processes import SERVERS, Running, alive, free_ports, ready, start, start_servers, stop
from emulators.processes.ports import keep
from emulators.processes.servers import Started
from emulators.state import ServiceState, State, save
from emulators.wiring import Wiring

Say = Callable[[str], None]
READY_S = 90.0
"""Eight functions import their clients on two cores at the same time."""

SECRETS, GRAPH, LOGS, UNPACKED = "secrets.json", "graph.json", "logs", "functions"
"""What lies in a stack's folder, beside `state.FILE`."""


@dataclass(slots=True)
class Raiser:
    """One call of `up`, or of `restart`.

    Args:
        folder: of the stack. say: told of progress, from any thread.
    """

    folder: Path
    state: State
    say: Say
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _begun: list[Running] = field(default_factory=list)

    def everything(self, graph_file: Path | None) -> Wiring:
        """Brings all of it up.

        Args:
            graph_file: a graph captured before; None captures the program anew.

        Raises:
            CaptureFailed, UnknownResource, InvalidGraph, ProcessFailed, NotInstalled, Refused: with what to do;
                whatever this call started is stopped.
        """
        try:
            with ThreadPoolExecutor(max_workers=1) as pool:
                captured = pool.submit(lambda: plan(self._graph(graph_file)))
                if graph_file is not None:
                    captured.result()  # it is there at once: start nothing for a graph that cannot be applied
                self._servers()
                made = captured.result()
            wiring = self._wired(made)
            self._apply_and_serve(wiring)
        except BaseException:
            stop(self._begun)
            raise
        return wiring

    def _graph(self, graph_file: Path | None) -> Graph:
        file = self.folder / GRAPH
        if graph_file is None:
            capture(self.state.stack, file)
        elif graph_file.resolve() != file.resolve():
            file.write_bytes(graph_file.read_bytes())
        found = graphs.read(file)
        self.say(f"graph of stack {found.stack}: {len(found.resources)} resources")
        return found

    def _servers(self) -> None:
        healthy = {
            name: started
            for name, started in self.state.servers.items()
            if alive(started.process) and SERVERS[name].is_ready(started.ports)
        }
        stop([started.process for name, started in self.state.servers.items() if name not in healthy])
        self.state.servers = healthy
        missing = SERVERS.keys() - healthy.keys()
        logs = self.folder / LOGS
        start_servers(missing, logs, self.state.held, lambda name: self.say(f"{name} is ready"), self._server_begun)

    def _server_begun(self, name: str, started: Started) -> None:
        with self._lock:
            self._begun.append(started.process)
            self.state.servers[name] = started
            save(self.folder, self.state)

    def _wired(self, made: Plan) -> Wiring:
        """Draws secrets and chooses ports: a function keeps the port it had, since others know it by that."""
        values = secrets.apply(made.of("secrets"), self.folder / SECRETS)
        known = self.state.function_ports()
        for port in known.values():
            keep(port)
        functions = [service.function for service in services.wanted(made.of("services"))]
        ports = {name: known[name] if name in known else free_ports(1)[0] for name in functions}
        wiring = Wiring.of(made, ports, self.state.ports(), values)
        only = {wiring.service(name).function for name in self.state.only} or wiring.services.keys()
        self.state.idle = {name: port for name, port in ports.items() if name not in only}
        return wiring

    def _apply_and_serve(self, wiring: Wiring) -> None:
        wanted = [name for name in wiring.services if name not in self.state.idle]
        gone = self.state.services.keys() - set(wanted)
        stop([self.state.services.pop(name).process for name in gone])
        waiting = [process for name in wanted if (process := self.serve(wiring, name))]
        environments = [service.environment for service in wiring.services.values()]
        deaf = {wiring.services[name].address_in_graph for name in self.state.idle}

        def topics(resources: tuple[Resource, ...]) -> None:
            heard = (each for each in resources if not pubsub.pushes_to(each, deaf))
            pubsub.apply(heard, wiring.host("pubsub"), wiring.addresses)

        work: list[Callable[[], None]] = [
            lambda: self._apply(wiring, "pubsub", topics),
            lambda: self._apply(wiring, "bigquery", lambda r: bigquery.apply(r, wiring.host("bigquery"))),
            lambda: self._apply(wiring, "bigtable", lambda r: bigtable.apply(r, wiring.host("bigtable"))),
            lambda: self._apply(wiring, "firestore", lambda r: firestore.apply(r, wiring.host("firestore"))),
            lambda: s3.apply(environments, f"http://{wiring.host('s3')}"),
        ]
        with ThreadPoolExecutor(max_workers=len(work) + len(waiting)) as pool:
            try:
                applied = [pool.submit(each) for each in work]
                served = [pool.submit(self.until_ready, wiring, process) for process in waiting]
                for future in [*applied, *served]:
                    future.result()
            except BaseException:
                stop(self._begun)  # so that no thread waits for what will not come
                raise

    def _apply(self, wiring: Wiring, applier: str, apply: Callable[[tuple[Resource, ...]], None]) -> None:
        resources = wiring.plan.of(applier)
        apply(resources)
        self.say(f"{applier}: {len(resources)} resources applied")

    def serve(self, wiring: Wiring, function: str) -> Running | None:
        """Starts a function; None when it already runs with the same code and environment."""
        service = wiring.services[function]
        environment = wiring.environment(function)
        archive = ROOT / service.archive
        folder = services.unpack(archive, self.folder / UNPACKED)
        mark = services.fingerprint(service, environment, archive)
        old = self.state.services.get(function)
        if old is not None:
            if old.fingerprint == mark and alive(old.process) and self._answers(wiring, function):
                return None
            stop([old.process])
        log = self.folder / LOGS / f"{function}.log"
        home = self.folder / UNPACKED / "home" / function
        home.mkdir(parents=True, exist_ok=True)
        process = start(services.start_of(service, folder, home.resolve(), environment, log, self.state.held))
        with self._lock:
            self._begun.append(process)
            self.state.services[function] = ServiceState(process, wiring.ports[function], mark)
            save(self.folder, self.state)
        return process

    def until_ready(self, wiring: Wiring, process: Running) -> None:
        """Raises:
        ProcessFailed: it stopped, or does not answer in time.
        """
        ready.wait(process, lambda: self._answers(wiring, process.name), READY_S)
        self.say(f"{process.name} is ready at {wiring.address(process.name)}")

    def _answers(self, wiring: Wiring, function: str) -> bool:
        return ready.answers(wiring.ports[function], services.READY_PATH, (404,))
