"""The servers that are measured, and the sinks: each as its own process tree, on the core it is given.

Ours runs from its built archive, under functions-framework, as on the laptop stack and in the cloud
(`emulators.appliers.services`). All end with the bench, also when that is killed.
"""

from __future__ import annotations

import base64
import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from emulators.appliers import services
from emulators.processes import Running, Start, start, stop
from emulators.processes.ports import free_ports, give_back
from emulators.processes.ready import accepts, answers, wait
from functions.ingest.function import FUNCTION as INGEST
from infra import archives
from layers.declarations import Function, HotTable, RetailerSecret, Topic, settings
from layers.retailers import Retailer
from tests.bench import cores

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = Path(__file__).with_name("subjects")
_TABLES = "projects/bench/instances/bench/tables"
_TOPICS = "projects/bench/topics"

RETAILER = Retailer(
    id="demo",
    name="Bench",
    write_key="bench-write-key-0001",
    read_key="bench-read-key-0001",
    origins=("https://shop.example", "http://localhost:8000"),
)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: the port it listens on, and the process at the root of its tree."""

    name: str
    port: int
    process: Running

    @property
    def pid(self) -> int:
        return self.process.pid


def environment(function: Function, retailer: Retailer) -> dict[str, str]:
    """The values that a function's declaration promises it, with keys of the bench's own. Addresses of stores are not
    among them.
    """
    found = {"FUNCTION_USE_ASGI": "true", settings.PROJECT: "bench", settings.STACK: "bench", "PYTHONUNBUFFERED": "1"}
    found[settings.retailer(retailer.id)] = retailer.to_json()
    for need in function.needs:
        if isinstance(need, HotTable):
            found[settings.hot_table(need.name)] = f"{_TABLES}/{need.name}"
        elif isinstance(need, Topic):
            found[settings.topic(need.name)] = f"{_TOPICS}/{need.name}"
        elif isinstance(need, RetailerSecret):
            secret = random.Random(need.kind.value).randbytes(32)
            found[settings.secret(need.kind, retailer.id)] = base64.b64encode(secret).decode()
    return found


@contextlib.contextmanager
def running(
    name: str, command: Callable[[int, Path], Start], ready: Callable[[int], bool], place: Place
) -> Iterator[Served]:
    """One process tree for as long as the block runs.

    Args:
        command: from its port and a folder of its own. ready: asks it at its port.

    Raises:
        ProcessFailed: it does not become ready.
    """
    (port,) = free_ports(1)
    own = place.folder / f"{name.replace(' ', '-')}-{port}"
    own.mkdir(parents=True)
    started = start(command(port, own))
    try:
        # Before it has had time to start anything, and once more when it has.
        cores.pin([started.pid], place.core)
        wait(started, lambda: ready(port))
        cores.pin(cores.tree(started.pid), place.core)
        yield Served(name, port, started)
    finally:
        stop([started])
        give_back([port])


def _function(name: str, source: Path, values: Mapping[str, str]) -> Callable[[int, Path], Start]:
    def command(port: int, own: Path) -> Start:
        service = services.Service(name, name, "", {}, {})
        environment = {**values, "PORT": str(port)}
        return services.start_of(service, source, own, environment, own / "log", held=True)

    return command


def _function_ready(port: int) -> bool:
    return answers(port, services.READY_PATH, (404,))


def _program(name: str, arguments: Callable[[int], tuple[str, ...]], folder: Path) -> Callable[[int, Path], Start]:
    def command(port: int, own: Path) -> Start:
        return Start(name, (sys.executable, *arguments(port)), {}, own / "log", True, folder)

    return command


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with what a server runs.

    Attributes:
        stores: environment values that lead to sinks or emulators. folder: for logs and the like.
        tree: the repository whose functions are measured; another clone of it shows what a change has done.
    """

    stores: Mapping[str, str]
    core: int
    folder: Path
    tree: Path = ROOT


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to be measured.

    Attributes:
        connections: ours is declared for 200 requests at a time, and the others that never wait get as many. The
            sample has 8 threads: two requests a thread keep it busy, more would only queue.
        keeps: whether events arrive at the sinks.
    """

    name: str
    start: Callable[[Place], contextlib.AbstractContextManager[Served]]
    connections: int = 192
    keeps: bool = False


def _ours(place: Place) -> contextlib.AbstractContextManager[Served]:
    source = services.unpack(archives.build(place.tree, "ingest").path, place.folder / "archives")
    values = {**environment(INGEST, RETAILER), **place.stores}
    return running("ours", _function("ingest", source, values), _function_ready, place)


def _sample(place: Place) -> contextlib.AbstractContextManager[Served]:
    values = {**environment(INGEST, RETAILER), **place.stores, "PYTHONPATH": str(ROOT)}
    # Synchronous: without it the framework serves a function with gunicorn's threads.
    del values["FUNCTION_USE_ASGI"]
    return running("sample", _function("sample_ingest", SUBJECTS / "sample_ingest", values), _function_ready, place)


def _noop(name: str) -> Callable[[Place], contextlib.AbstractContextManager[Served]]:
    command = _function("noop", SUBJECTS / name.replace("-", "_"), {"FUNCTION_USE_ASGI": "true"})
    return lambda place: running(name, command, _function_ready, place)


def _floor(place: Place) -> contextlib.AbstractContextManager[Served]:
    command = _program("floor", lambda port: ("floor.py", str(port)), SUBJECTS)
    return running("floor", command, accepts, place)


SUBJECTS_OF_INGEST: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject("ours", _ours, keeps=True),
        Subject("sample", _sample, connections=16, keeps=True),
        Subject("noop", _noop("noop")),
        Subject("stock-noop", _noop("stock-noop")),
        Subject("floor", _floor),
    )
}


@contextlib.contextmanager
def sinks(
    core: int, folder: Path, bigtable_ms: float = 0, pubsub_ms: float = 0
) -> Iterator[tuple[dict[str, str], str]]:
    """The null sinks: the environment values that lead to them, and their `host:port`."""

    def arguments(port: int) -> tuple[str, ...]:
        delays = ("--bigtable-ms", str(bigtable_ms), "--pubsub-ms", str(pubsub_ms))
        return ("-m", "tests.bench.sinks", str(port), *delays)

    with running("sinks", _program("sinks", arguments, ROOT), accepts, Place({}, core, folder)) as served:
        address = f"127.0.0.1:{served.port}"
        yield {settings.EMULATOR_HOSTS[name]: address for name in ("bigtable", "pubsub")}, address
