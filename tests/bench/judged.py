"""What is to be reached, and lines of the table from figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.measured import Figure
from tests.bench.table import Line, at_least, at_most

_EVENTS_PER_S = {1: 15_000, 10: 40_000, 50: 50_000}
_AGAINST_SAMPLE = 40.0
_AGAINST_NOOP = 0.5


def least_cpu(figures: Iterable[Figure], server: str, events: int) -> float | None:
    """The best of its rounds: what disturbs a run only ever adds to its cost."""
    return min((f.cpu_us for f in figures if (f.server, f.events) == (server, events)), default=None)


def most_per_s(figures: Iterable[Figure], server: str, events: int) -> float | None:
    return max((f.per_s for f in figures if (f.server, f.events) == (server, events)), default=None)


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def ingest_lines(figures: Sequence[Figure]) -> list[Line]:
    """INGEST on null sinks."""
    lines: list[Line] = []
    batches = sorted({figure.events for figure in figures})
    for events in batches:
        part = f"ingest, {events} a request"
        ours = least_cpu(figures, "ours", events)
        lines.append(Line(part, "CPU of ours", ours, "µs/event"))
        for name in ("sample", "noop", "stock-noop", "floor"):
            theirs = least_cpu(figures, name, events)
            if theirs is not None:
                lines.append(Line(part, f"CPU of {name}", theirs, "µs/event"))
        if ours is None:
            continue
        ratio = _ratio(least_cpu(figures, "sample", events), ours)
        if ratio is not None:
            lines.append(at_least(part, "sample's CPU, in ours", ratio, "times", _AGAINST_SAMPLE))
        share = _ratio(ours, least_cpu(figures, "noop", events))
        if share is not None and events == 1:
            lines.append(at_most(part, "CPU of ours, in a no-op's", share, "times", _AGAINST_NOOP))
        seen = most_per_s(figures, "ours", events)
        lines.append(at_least(part, "seen on one core", seen, "events/s", _EVENTS_PER_S.get(events, 0)))
    return lines
