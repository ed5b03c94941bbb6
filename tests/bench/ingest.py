"""INGEST: what an event costs the door, on null sinks and on the emulators, beside what it is compared with.

All servers are up together and take turns, so that a disturbance of the machine meets them alike; one that waits costs
nothing. After every load the stores must hold exactly what was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from functions.ingest.function import FUNCTION as DOOR
from layers.declarations.settings import Settings
from layers.stores.bigtable.events import BigtableHotEvents
from tests.bench import cores, judged
from tests.bench.measured import Figure, WrongRun, load, order
from tests.bench.servers import INGEST, RETAILER, Place, Served, environment
from tests.bench.setting import Outcome, Setting
from tests.bench.sinks import counts
from tests.bench.stores import Backends, emulators, sinks

STEADY_PER_S = 8000
_STEADY_S = 10.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of a server's tree after its loads: each shared page once, and for each process."""

    server: str
    pss_mb: float
    rss_mb: float


@contextlib.contextmanager
def _up(names: Sequence[str], place: Place) -> Iterator[dict[str, Served]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(INGEST[name].start(place)) for name in names}


def on_null_sinks(setting: Setting) -> Outcome:
    """Raises:
    WrongRun: a server lost an event, or stored one twice.
    """
    figures: list[Figure] = []
    with (
        sinks(setting.cores.load, setting.folder) as stores,
        _up(setting.servers, Place(stores.values, setting.cores.server, setting.folder, setting.tree)) as servers,
    ):
        for turn in _turns(setting, stores, servers, setting.batches):
            before = counts(stores.host("bigtable"))
            figures.append(turn())
            _all_arrived(figures[-1], counts(stores.host("bigtable")) - before)
        memory = [Memory(name, *cores.memory_mb(cores.tree(served.pid))) for name, served in servers.items()]
        small = [_one(setting, stores, served, 1, mix="small") for name, served in servers.items() if name == "ours"]
    lines = judged.ingest_lines(figures, small) + judged.memory_lines({each.server: each.pss_mb for each in memory})
    return Outcome(lines, [*figures, *small, *memory])


def on_emulators(setting: Setting) -> Outcome:
    """Ours beside the sample, in turns; what is acknowledged must be rows of the emulator. That each message reaches
    Pub/Sub is counted on the null sinks: a subscription here would fill the emulator's memory.
    """
    figures: list[Figure] = []
    with (
        emulators(("bigtable", "pubsub", "firestore"), setting.cores.load, setting.folder) as stores,
        _up(("ours", "sample"), Place(stores.values, setting.cores.server, setting.folder, setting.tree)) as servers,
    ):
        rows = 0
        for turn in _turns(setting, stores, servers, (1, 10)):
            figures.append(turn())
            rows, before = _rows(stores.values), rows
            if rows - before != figures[-1].everything:
                raise WrongRun(f"{figures[-1].server}: {figures[-1].everything} acknowledged, {rows - before} stored.")
    return Outcome(judged.emulator_lines(figures), figures)


def steady(setting: Setting) -> Outcome:
    """An open loop at a steady rate, on sinks that take their time: how long an event waits."""
    figures: list[Figure] = []
    with (
        sinks(setting.cores.load, setting.folder, bigtable_ms=4, pubsub_ms=20) as stores,
        _up(("ours",), Place(stores.values, setting.cores.server, setting.folder, setting.tree)) as servers,
    ):
        for _ in range(setting.effort.rounds):
            for batch in (1, 10):
                before = counts(stores.host("bigtable"))
                figure = _one(setting, stores, servers["ours"], batch, per_s=STEADY_PER_S / batch)
                _all_arrived(figure, counts(stores.host("bigtable")) - before)
                figures.append(figure)
    return Outcome(judged.steady_lines(figures, STEADY_PER_S), figures)


def _turns(
    setting: Setting, stores: Backends, servers: Mapping[str, Served], batches: Sequence[int]
) -> Iterator[Callable[[], Figure]]:
    """Loads to be carried out, one at a time."""
    for round_ in range(setting.effort.rounds):
        setting.say(f"round {round_ + 1} of {setting.effort.rounds}")
        for batch in batches:
            for served in servers.values():
                yield partial(_one, setting, stores, served, batch)


def _one(
    setting: Setting,
    stores: Backends,
    served: Served,
    batch: int,
    *,
    mix: str = "about 1 KB",
    per_s: float | None = None,
) -> Figure:
    effort = setting.effort
    # In an open loop a connection must be free whenever a request is due, or the load's own queue would be measured.
    connections = INGEST[served.name].connections if per_s is None else 1000
    given = order(
        served,
        RETAILER.to_json(),
        backends=stores.pids,
        events=batch,
        connections=connections,
        warm_up_s=effort.warm_up_s,
        measure_s=effort.measure_s if per_s is None or effort.short else _STEADY_S,
        mix=mix,
        per_s=per_s,
    )
    figure = load(given, served, setting.cores.load)
    setting.say(
        f"  {batch:>2} a request, {served.name:<10} {figure.cpu_us:8.1f} µs/event {figure.per_s:9.0f} events/s  "
        f"p50 {figure.latency_ms['p50']:6.1f} p95 {figure.latency_ms['p95']:6.1f} ms  "
        f"cores: server {figure.busy:4.0%}, load and stores {figure.other_busy:4.0%}"
    )
    return figure


def _all_arrived(figure: Figure, counted: Counter[str]) -> None:
    stored, published = counted["rows events"], counted["published"]
    if INGEST[figure.server].keeps and not stored == published == figure.everything:
        raise WrongRun(
            f"{figure.server} acknowledged {figure.everything} events; {stored} rows and {published} published records "
            "arrived at the sinks. They must be equal where nothing fails."
        )


def _rows(stores: dict[str, str]) -> int:
    async def count() -> int:
        table = BigtableHotEvents.of(Settings({**environment(DOOR, RETAILER), **stores}))
        return sum([1 async for _ in table.keys(RETAILER.id)])

    return asyncio.run(count())
