"""INGEST: what an event costs the door, on null sinks and on the emulators, beside what it is compared with.

All servers are up together and take turns, so that a disturbance of the machine meets them alike; one that waits costs
nothing. After every load the sinks must hold exactly what was acknowledged.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cores import Cores
from tests.bench.measured import Figure, WrongRun, load, order
from tests.bench.servers import RETAILER, SUBJECTS_OF_INGEST, Place, Served, sinks
from tests.bench.sinks import counts

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often."""

    rounds: int = 3
    warm_up_s: float = 1.0
    measure_s: float = 3.0


@contextlib.contextmanager
def _up(names: Sequence[str], place: Place) -> Iterator[dict[str, Served]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(SUBJECTS_OF_INGEST[name].start(place)) for name in names}


def on_null_sinks(
    names: Sequence[str],
    batches: Sequence[int],
    effort: Effort,
    cores: Cores,
    folder: Path,
    tree: Path,
    say: Say,
    mix: str = "about 1 KB",
) -> list[Figure]:
    """Every figure of every round.

    Raises:
        WrongRun: a server lost an event, or stored one twice.
    """
    found: list[Figure] = []
    with (
        sinks(cores.load, folder) as (stores, address),
        _up(names, Place(stores, cores.server, folder, tree)) as servers,
    ):
        for round_ in range(effort.rounds):
            for batch in batches:
                for name, served in servers.items():
                    before = counts(address)
                    figure = _one(name, served, batch, effort, cores, mix)
                    if SUBJECTS_OF_INGEST[name].keeps:
                        _all_arrived(figure, counts(address) - before)
                    found.append(figure)
                    say(
                        f"round {round_ + 1}, {batch:>2} a request, {name:<10} {figure.cpu_us:8.1f} µs/event "
                        f"{figure.per_s:9.0f} events/s  server {figure.busy:4.0%}  load {figure.load_busy:4.0%}"
                    )
    return found


def _one(name: str, served: Served, batch: int, effort: Effort, cores: Cores, mix: str) -> Figure:
    given = order(
        served,
        RETAILER.to_json(),
        events=batch,
        connections=SUBJECTS_OF_INGEST[name].connections,
        warm_up_s=effort.warm_up_s,
        measure_s=effort.measure_s,
        mix=mix,
    )
    return load(given, served, cores.load)


def _all_arrived(figure: Figure, counted: Counter[str]) -> None:
    stored, published = counted["rows events"], counted["published"]
    if not stored == published == figure.everything:
        raise WrongRun(
            f"{figure.server} acknowledged {figure.everything} events; {stored} rows and {published} published records "
            "arrived at the sinks. They must be equal where nothing fails."
        )
