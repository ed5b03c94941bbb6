"""The servers that are measured: each as its own process tree, on the core it is given.

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
from emulators.processes import Running as Process
from emulators.processes import Start, start, stop
from emulators.processes.ports import free_ports, give_back
from emulators.processes.ready import accepts, answers, wait
from functions.ingest.function import FUNCTION as DOOR
from infra import archives
from layers.declarations import Documents, Function, HotTable, RetailerSecret, Topic, settings
from layers.retailers import AbsentConsent, Retailer, ShopperTokens
from tests.bench import cores

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = Path(__file__).with_name("subjects")
PROJECT = "bench"
TABLES = f"projects/{PROJECT}/instances/bench/tables"

RETAILER = Retailer(
    id="demo",
    name="Bench",
    write_key="bench-write-key-0001",
    read_key="bench-read-key-0001",
    origins=("https://shop.example", "http://localhost:8000"),
    absent_consent=AbsentConsent.GRANTED,
    # The naive way knows no tokens; reading one is some 10 us of an answer's 700.
    shopper_tokens=ShopperTokens.OPTIONAL,
)


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs: the port it listens on, and the process at the root of its tree."""

    name: str
    port: int
    process: Process

    @property
    def pid(self) -> int:
        return self.process.pid


def environment(function: Function, retailer: Retailer) -> dict[str, str]:
    """The values that a function's declaration promises it, with keys of the bench's own. Addresses of stores are not
    among them.
    """
    found = {"FUNCTION_USE_ASGI": "true", settings.PROJECT: PROJECT, settings.STACK: "bench", "PYTHONUNBUFFERED": "1"}
    found[settings.retailer(retailer.id)] = retailer.to_json()
    for need in function.needs:
        if isinstance(need, HotTable):
            found[settings.hot_table(need.name)] = f"{TABLES}/{need.name}"
        elif isinstance(need, Topic):
            found[settings.topic(need.name)] = f"projects/{PROJECT}/topics/{need.name}"
        elif isinstance(need, Documents):
            found[settings.documents(need.database)] = f"projects/{PROJECT}/databases/{need.database}"
        elif isinstance(need, RetailerSecret):
            secret = random.Random(need.kind.value).randbytes(32)
            found[settings.secret(need.kind, retailer.id)] = base64.b64encode(secret).decode()
    return found


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


Command = Callable[[int, Path], Start]
"""From its port and a folder of its own."""

Running = contextlib.AbstractContextManager[Served]


@contextlib.contextmanager
def _running(name: str, command: Command, ready: Callable[[int], bool], place: Place) -> Iterator[Served]:
    """One process tree for as long as the block runs.

    Raises:
        ProcessFailed: it does not become ready.
    """
    (port,) = free_ports(1)
    own = place.folder / f"{name}-{port}"
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


def program(name: str, arguments: Callable[[int], tuple[str, ...]]) -> Command:
    """A program of this environment's Python, run in the repository."""

    def command(port: int, own: Path) -> Start:
        return Start(name, (sys.executable, *arguments(port)), {}, own / "log", True, ROOT)

    return command


def running_program(name: str, command: Command, place: Place) -> Running:
    return _running(name, command, accepts, place)


def running_function(name: str, target: str, source: Path, values: Mapping[str, str], place: Place) -> Running:
    """A function under functions-framework.

    Args:
        source: the folder with its main.py.
    """

    def command(port: int, own: Path) -> Start:
        service = services.Service(target, target, "", {}, {})
        return services.start_of(service, source, own, {**values, "PORT": str(port)}, own / "log", held=True)

    return _running(name, command, lambda port: answers(port, services.READY_PATH, (404,)), place)


def archived(function: Function, place: Place) -> Path:
    """The unpacked archive of a function, as it is deployed."""
    return services.unpack(archives.build(place.tree, function.name).path, place.folder / "archives")


def ours(function: Function, place: Place) -> Running:
    """A function of ours, from its archive."""
    values = {**environment(function, RETAILER), **place.stores}
    return running_function("ours", function.name, archived(function, place), values, place)


def synchronous(name: str, target: str, like: Function, place: Place, folder: str = "") -> Running:
    """A subject that the framework serves with gunicorn's threads, with the environment of the function it is
    compared with.

    Args:
        folder: of the subject, where it is not named as the target.
    """
    values = {**environment(like, RETAILER), **place.stores, "PYTHONPATH": str(ROOT)}
    del values["FUNCTION_USE_ASGI"]
    return running_function(name, target, SUBJECTS / (folder or target), values, place)


def _noop(name: str) -> Callable[[Place], Running]:
    source = SUBJECTS / name.replace("-", "_")
    return lambda place: running_function(name, "noop", source, {"FUNCTION_USE_ASGI": "true"}, place)


def _floor(place: Place) -> Running:
    command = program("floor", lambda port: ("-m", "tests.bench.subjects.floor", str(port)))
    return running_program("floor", command, place)


@dataclass(frozen=True, slots=True)
class Subject:
    """A server to be measured.

    Attributes:
        connections: ours is declared for 200 requests at a time, and the others that never wait get as many. The
            sample has 8 threads: two requests a thread keep it busy, more would only queue.
        keeps: whether events arrive in the stores.
    """

    name: str
    start: Callable[[Place], Running]
    connections: int = 192
    keeps: bool = False


INGEST: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject("ours", lambda place: ours(DOOR, place), keeps=True),
        Subject(
            "sample", lambda place: synchronous("sample", "sample_ingest", DOOR, place), connections=16, keeps=True
        ),
        Subject("noop", _noop("noop")),
        Subject("stock-noop", _noop("stock-noop")),
        Subject("floor", _floor),
    )
}
"""By name, as the table lists them."""
