"""What is to be reached, and the lines of the table from the figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.bench.measured import MANY, Decided, Figure, Paced, Run, Streamed
from tests.bench.table import Line, at_least, at_most

_EVENTS_PER_S = {1: 15_000.0, 10: 40_000.0, 50: 50_000.0}
_TIMES_SAMPLES_CPU = 40.0
_OF_A_NOOP = 0.5
_TIMES_SAMPLES_THROUGHPUT = {1: 15.0, 10: 40.0}
_STEADY_P95_MS = 50.0
_MEMORY_MB = 90.0
_IMPORTS_S = 0.3
_TIMES_SAMPLES_DECISION = 5.0
_DECISION_P95_MS = 5.0
_SCORING_MS = 10.0
_SCORED_S = 60.0
_LINEAR = 1.15
_PACED_P95_MS = 25.0


def least_cpu(figures: Iterable[Figure], server: str, events: int) -> float | None:
    """The best of its rounds: what disturbs a run only ever adds to its cost."""
    return min((f.cpu_us for f in figures if (f.server, f.events) == (server, events)), default=None)


def most_per_s(figures: Iterable[Figure], server: str, events: int) -> float | None:
    return max((f.per_s for f in figures if (f.server, f.events) == (server, events)), default=None)


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def ingest_lines(figures: Sequence[Figure], small: Sequence[Figure] = ()) -> list[Line]:
    """INGEST on null sinks.

    Args:
        small: of ours with events as small as most are.
    """
    lines: list[Line] = []
    servers = list(dict.fromkeys(figure.server for figure in figures))
    for events in sorted({figure.events for figure in figures}):
        part = f"ingest, {events} a request"
        lines += [Line(part, f"CPU: {name}", least_cpu(figures, name, events), "µs/event") for name in servers]
        ours = least_cpu(figures, "ours", events)
        if ours is None:
            continue
        if "sample" in servers:
            times = _ratio(least_cpu(figures, "sample", events), ours)
            lines.append(at_least(part, "CPU: the sample's is … times ours", times, "times", _TIMES_SAMPLES_CPU))
        if events == 1 and "noop" in servers:
            share = _ratio(ours, least_cpu(figures, "noop", events))
            lines.append(at_most(part, "CPU: ours is … times a no-op's", share, "times", _OF_A_NOOP))
        lines.append(Line(part, "a second of CPU holds", 1e6 / ours, "events"))
        seen, wanted = most_per_s(figures, "ours", events), _EVENTS_PER_S.get(events)
        lines.append(Line(part, "seen on one core", seen, "events/s", wanted, "at least" if wanted else ""))
    for figure in small:
        lines.append(Line("ingest, 1 a request", "CPU: ours, events of 0.2 KB", figure.cpu_us, "µs/event"))
    return lines


def memory_lines(pss_mb: Mapping[str, float]) -> list[Line]:
    return [
        at_most("ingest", "memory after the load, shared pages once", mb, "MB", _MEMORY_MB)
        if name == "ours"
        else Line("ingest", f"memory: {name}", mb, "MB")
        for name, mb in pss_mb.items()
    ]


def emulator_lines(figures: Sequence[Figure]) -> list[Line]:
    """INGEST on the emulators."""
    lines: list[Line] = []
    for events in sorted({figure.events for figure in figures}):
        part = f"emulators, {events} a request"
        ours, sample = most_per_s(figures, "ours", events), most_per_s(figures, "sample", events)
        lines.append(Line(part, "throughput: ours", ours, "events/s"))
        lines.append(Line(part, "throughput: sample", sample, "events/s"))
        wanted = _TIMES_SAMPLES_THROUGHPUT[events]
        lines.append(at_least(part, "throughput: ours is … times the sample's", _ratio(ours, sample), "times", wanted))
        cpu = _ratio(least_cpu(figures, "sample", events), least_cpu(figures, "ours", events))
        lines.append(Line(part, "CPU: the sample's is … times ours", cpu, "times"))
    return lines


def steady_lines(figures: Sequence[Figure], per_s: int) -> list[Line]:
    """The open loop. The best round: what disturbs a run only ever adds to a wait."""
    lines: list[Line] = []
    for events in sorted({figure.events for figure in figures}):
        part = f"steady {per_s}/s, {events} a request"
        best = min((f for f in figures if f.events == events), key=lambda figure: figure.latency_ms["p95"])
        lines.append(Line(part, "seen", best.per_s, "events/s"))
        lines.append(Line(part, "p50", best.latency_ms["p50"], "ms"))
        lines.append(at_most(part, "p95", best.latency_ms["p95"], "ms", _STEADY_P95_MS))
        lines.append(Line(part, "p99", best.latency_ms["p99"], "ms"))
    return lines


def import_lines(framework_s: Sequence[float], own_s: Sequence[float]) -> list[Line]:
    """START. The best of each share: what disturbs only ever adds."""
    framework, own = min(framework_s), min(own_s)
    return [
        Line("start of ingest", "imports: functions-framework alone", framework, "s of CPU"),
        Line("start of ingest", "imports: its own", own, "s of CPU"),
        at_most("start of ingest", "imports: both", framework + own, "s of CPU", _IMPORTS_S),
    ]


def cooling_lines(cpu_us: Mapping[str, float]) -> list[Line]:
    """COOLING."""
    names = {"ours": "Storage Write (Arrow)", "sample": "insert_rows_json an event"}
    per_s = {way: 1e6 / us for way, us in cpu_us.items()}
    lines = [Line("cooling", f"events a core: {names[way]}", each, "events/s") for way, each in per_s.items()]
    return [*lines, Line("cooling", "ours is … times the sample's", _ratio(per_s["ours"], per_s["sample"]), "times")]


def decision_lines(figures: Sequence[Decided]) -> list[Line]:
    """DECISIONS. The best round of each: what disturbs a run only ever adds."""
    lines: list[Line] = []
    for what in dict.fromkeys(figure.what for figure in figures):
        ours = [figure for figure in figures if (figure.way, figure.what) == ("ours", what)]
        sample = [figure for figure in figures if (figure.way, figure.what) == ("sample", what)]
        mine, theirs = min(f.cpu_us for f in ours), min(f.cpu_us for f in sample)
        lines.append(Line(what, "CPU: ours", mine, "µs"))
        lines.append(Line(what, "CPU: sample", theirs, "µs"))
        times = _ratio(theirs, mine)
        lines.append(at_least(what, "CPU: the sample's is … times ours", times, "times", _TIMES_SAMPLES_DECISION))
        if what == MANY:
            continue  # How long such a message takes depends on how many shoppers it holds.
        lines.append(Line(what, "p50: ours", min(f.latency_ms["p50"] for f in ours), "ms"))
        lines.append(at_most(what, "p95: ours", min(f.latency_ms["p95"] for f in ours), "ms", _DECISION_P95_MS))
        lines.append(Line(what, "p95: sample", min(f.latency_ms["p95"] for f in sample), "ms"))
    return lines


def scoring_lines(figures: Sequence[Run]) -> list[Line]:
    """SCORING. Of each size the round that cost least: what disturbs only ever adds."""
    best = {
        many: min((f for f in figures if f.shoppers == many), key=lambda figure: figure.cpu_s)
        for many in sorted({figure.shoppers for figure in figures})
    }
    lines: list[Line] = []
    for many, run in best.items():
        lines.append(at_most("scoring", f"CPU, {many} shoppers", 1000 * run.cpu_s / many, "ms a shopper", _SCORING_MS))
    least, most = min(best), max(best)
    grown = _ratio(best[most].cpu_s / most, best[least].cpu_s / least)
    lines.append(at_most("scoring", f"CPU a shopper of {most} is … times that of {least}", grown, "times", _LINEAR))
    lines.append(at_most("scoring", f"CPU of all {most}", best[most].cpu_s, "s", _SCORED_S))
    lines.append(Line("scoring", "seen beside the emulators", best[most].seconds, "s"))
    lines.append(Line("scoring", "memory, at most", max(f.peak_mb for f in figures), "MB"))
    return lines


def pace_lines(figures: Sequence[Paced]) -> list[Line]:
    """PACE. The best round of each: what disturbs a run only ever adds."""
    lines: list[Line] = []
    for what in dict.fromkeys(figure.what for figure in figures):
        best = min((f for f in figures if f.what == what), key=lambda figure: figure.latency_ms["p95"])
        part = f"200 events/s: {what}"
        lines.append(Line(part, "CPU of the functions", best.cpu_us, "µs/event"))
        if best.reserved:
            lines.append(Line(part, "offers reserved meanwhile", best.reserved, "offers"))
        if best.defaults:
            lines.append(Line(part, "shown the default, a store being late", best.defaults, "pages"))
        lines.append(Line(part, "p50", best.latency_ms["p50"], "ms"))
        p95 = best.latency_ms["p95"]
        lines.append(
            at_most(part, "p95", p95, "ms", _PACED_P95_MS) if what == "decision" else Line(part, "p95", p95, "ms")
        )
        lines.append(Line(part, "p99", best.latency_ms["p99"], "ms"))
    return lines


def stream_lines(figures: Sequence[Streamed]) -> list[Line]:
    """STREAMS."""
    lines: list[Line] = []
    for found in figures:
        part = f"{found.count} open streams, {found.how}"
        lines.append(Line(part, "CPU a second", found.cpu_us, "µs/stream"))
        lines.append(Line(part, "all, of a core", found.busy * 100, "%"))
        lines.append(Line(part, "memory", found.kb, "KB/stream"))
    return lines
