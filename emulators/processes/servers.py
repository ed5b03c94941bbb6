"""The five emulators: their commands, their limits, when they are ready, and under which names clients find them.

Limits that shaped it. Without a cap the Pub/Sub emulator's heap grows to 1.2 GB, and a parallel collector competes with
the functions for two cores: hence the JVM flags. Firestore's own script starts a shell that outlives a signal, so it is
run by class: the process id is the JVM's. Bigtable and bqemulator hold everything in memory: stopped is emptied.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from emulators.processes import ready, sdk
from emulators.processes.control import ProcessFailed, Running, Start, start, stop
from emulators.processes.ports import HOST, free_ports, give_back
from layers.declarations.settings import EMULATOR_HOSTS

Ports = Mapping[str, int]
_ATTEMPTS = 3
"""Somebody else may take a free port before the emulator does."""


@dataclass(frozen=True, slots=True)
class Server:
    """An emulator.

    Attributes:
        ports: what it listens on, by the keys of `EMULATOR_HOSTS`.
        command: from its ports. is_ready: asks it.
    """

    name: str
    ports: tuple[str, ...]
    command: Callable[[Ports], tuple[str, ...]]
    is_ready: Callable[[Ports], bool]


def _bigtable(ports: Ports) -> tuple[str, ...]:
    emulator = sdk.emulator_file("bigtable-emulator", "cbtemulator")
    return (str(emulator), "-host", HOST, "-port", str(ports["bigtable"]))


def _pubsub(ports: Ports) -> tuple[str, ...]:
    jar = sdk.emulator_file("pubsub-emulator", "lib/cloud-pubsub-emulator-*-all.jar")
    heap = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    return (sdk.java(), *heap, "-jar", str(jar), f"--host={HOST}", f"--port={ports['pubsub']}")


def _firestore(ports: Ports) -> tuple[str, ...]:
    jar = sdk.emulator_file("cloud-firestore-emulator", "cloud-firestore-emulator.jar")
    main = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
    flags = ("-Duser.language=en", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(jar), main)
    return (sdk.java(), *flags, "start", f"--host={HOST}", f"--port={ports['firestore']}")


def _bigquery(ports: Ports) -> tuple[str, ...]:
    # -P: the launcher's own folder must not shadow an installed package.
    where = ("--rest-port", str(ports["bigquery"]), "--grpc-port", str(ports["bigquery_storage"]))
    return (sdk.bigquery_python(), "-P", sdk.bigquery_launcher(), *where)


def _s3(ports: Ports) -> tuple[str, ...]:
    return (sdk.script("moto_server"), "-H", HOST, "-p", str(ports["s3"]))


def _firestore_ready(ports: Ports) -> bool:
    # The first read loads what every later one needs, so a handler's deadline does not pay for it.
    document = "/v1/projects/ready/databases/(default)/documents/ready/check"
    return ready.answers(ports["firestore"], "/") and ready.answers(ports["firestore"], document, (404,))


SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server("pubsub", ("pubsub",), _pubsub, lambda ports: ready.answers(ports["pubsub"], "/")),
        Server("firestore", ("firestore",), _firestore, _firestore_ready),
        Server(
            "bigquery",
            ("bigquery", "bigquery_storage"),
            _bigquery,
            lambda ports: ready.answers(ports["bigquery"], "/readyz") and ready.accepts(ports["bigquery_storage"]),
        ),
        Server("s3", ("s3",), _s3, lambda ports: ready.answers(ports["s3"], "/moto-api/")),
        Server("bigtable", ("bigtable",), _bigtable, lambda ports: ready.accepts(ports["bigtable"])),
    )
}
"""By name, the slowest first: started in this order, all are ready soonest."""


def environment_of(ports: Ports) -> dict[str, str]:
    """The environment values under which functions and clients find the emulators on these ports."""
    return {
        EMULATOR_HOSTS[key]: f"http://{HOST}:{port}" if key == "s3" else f"{HOST}:{port}"
        for key, port in sorted(ports.items())
    }


@dataclass(frozen=True, slots=True)
class Started:
    """An emulator that runs; whether it is ready, only `start_servers` knows."""

    process: Running
    ports: dict[str, int]


def start_servers(
    names: Iterable[str],
    logs: Path,
    held: bool,
    each: Callable[[str], None] = lambda _name: None,
    begun: Callable[[str, Started], None] = lambda _name, _started: None,
) -> dict[str, Started]:
    """Starts these emulators side by side and waits until all are ready.

    Args:
        each: called with a name as soon as that one is ready, from any thread.
        begun: called as soon as a process exists, so that its id is written down before anything can fail.

    Raises:
        ProcessFailed: one did not become ready; the others are stopped again, as they are at Ctrl-C.
        NotInstalled: one is not on this machine; nothing was started.
    """
    servers = [server for server in SERVERS.values() if server.name in set(names)]
    for server in servers:
        server.command(dict.fromkeys(server.ports, 0))  # says what is not installed before anything starts
    cancelled = threading.Event()
    running: list[Running] = []

    def one(server: Server) -> Started:
        for attempt in range(1, _ATTEMPTS + 1):
            ports = dict(zip(server.ports, free_ports(len(server.ports)), strict=True))
            request = Start(server.name, server.command(ports), {}, logs / f"{server.name}.log", held)
            started = Started(start(request), ports)
            running.append(started.process)
            begun(server.name, started)
            try:
                ready.wait(started.process, lambda ports=ports: server.is_ready(ports))  # type: ignore[misc]
            except ProcessFailed:
                stop([started.process])
                give_back(list(ports.values()))
                if attempt == _ATTEMPTS or cancelled.is_set():
                    raise
                continue
            each(server.name)
            return started
        raise AssertionError("unreachable: the last attempt raises")

    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        try:
            pending = {server.name: pool.submit(one, server) for server in servers}
            return {name: future.result() for name, future in pending.items()}
        except BaseException:
            cancelled.set()
            stop(list(running))
            raise


@contextlib.contextmanager
def held_servers(names: Iterable[str], logs: Path) -> Iterator[dict[str, str]]:
    """These emulators for as long as the block runs; yields the environment values that lead to them."""
    started = start_servers(names, logs, held=True)
    try:
        yield environment_of({key: port for one in started.values() for key, port in one.ports.items()})
    finally:
        stop([one.process for one in started.values()])
