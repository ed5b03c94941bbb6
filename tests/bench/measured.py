"""One load against one server, and what it says of that server. Also: what must hold for a figure to count."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from emulators.processes import tail
from tests.bench import cores
from tests.bench.load import Order, Report
from tests.bench.servers import ROOT, Served

_TETHER = ROOT / "emulators" / "processes" / "tether.py"


class WrongRun(RuntimeError):
    """Something was refused, lost or counted twice: the figures of this run mean nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one load showed.

    Attributes:
        cpu_us: of the server's process tree, per event. per_s: events acknowledged a second.
        busy: of the server's core; well below 1, something else than the server's CPU was the limit.
        other_busy: of the core that load and backends share.
    """

    server: str
    events: int
    cpu_us: float
    per_s: float
    busy: float
    other_busy: float
    latency_ms: dict[str, float]
    body_bytes: int
    everything: int


MANY = "decision, many shoppers a message"


@dataclass(frozen=True, slots=True)
class Decided:
    """What one way of one kind of request showed. `count`: of decisions, or of pages."""

    way: str
    what: str
    count: int
    cpu_us: float
    latency_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """Shoppers of one retailer, scored.

    Attributes:
        cpu_s, seconds: of the whole run, planned and every shard scored. peak_mb: resident of the process so far.
    """

    shoppers: int
    shards: int
    cpu_s: float
    seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Paced:
    """What an open loop of events showed.

    Attributes:
        cpu_us, busy: of the functions asked, an event and of their core. defaults: answers that showed the default
            experience, because the stores took longer than a shopper waits. reserved: offers that were, meanwhile.
    """

    what: str
    count: int
    cpu_us: float
    busy: float
    latency_ms: dict[str, float]
    defaults: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Streamed:
    """What open streams cost while nothing changes.

    Attributes:
        how: whether they look at the same moment, or each at its own.
        cpu_us: of each a second. busy: of all, of a core. kb: of memory, of each.
    """

    how: str
    count: int
    cpu_us: float
    busy: float
    kb: float


def order(served: Served, retailer: str, **more: object) -> Order:
    """An order with event ids that no other load has."""
    return msgspec.convert(
        {
            "port": served.port,
            "server": served.pid,
            "retailer": retailer,
            "prefix": f"0198f0c2-{secrets.token_hex(2)}-7{secrets.token_hex(2)[1:]}-{secrets.token_hex(2)}",
            **more,
        },
        type=Order,
    )


def client(module: str, written: bytes, core: int) -> bytes:
    """What a module of the bench prints, given this on its standard input; in a process of its own, on that core, which
    ends with this one.

    Raises:
        WrongRun: it failed.
    """
    command = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), "9", sys.executable, "-m", module]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            cores.pin([process.pid], core)
            answered, _ = process.communicate(written)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise WrongRun(f"{module} failed; what it wrote stands above.")
    return answered


def load(given: Order, served: Served, core: int) -> Figure:
    """Carries an order out, in a process of its own on that core.

    Raises:
        WrongRun: an answer was not 2xx, or nothing was acknowledged.
    """
    report = msgspec.json.decode(client("tests.bench.load", msgspec.json.encode(given), core), type=Report)
    refused = {status: count for status, count in report.answers.items() if not status.startswith("2")}
    if refused or not report.acknowledged:
        raise WrongRun(
            f"{served.name} at {given.events} events a request answered {report.answers or 'nothing'}: only 2xx is a "
            f"measure. The end of its log:\n{tail(served.process.log, 5)}"
        )
    return Figure(
        server=served.name,
        events=given.events,
        cpu_us=report.cpu_s / report.acknowledged * 1e6,
        per_s=report.acknowledged / report.seconds,
        busy=report.cpu_s / report.seconds,
        other_busy=report.other_cpu_s / report.seconds,
        latency_ms=report.latency_ms,
        body_bytes=report.body_bytes,
        everything=report.everything,
    )


def best(figures: Iterable[Figure], by: Callable[[Figure], float]) -> Figure:
    """The one with the least of it. What disturbs a run only ever adds to its cost."""
    return min(figures, key=by)
