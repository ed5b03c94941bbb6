"""Runs scenarios one after the other on one site and prints what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tests.chaos.scenario import SCENARIOS, Run
from tests.chaos.scenarios import answers, clients, clocks, killing, outages, pressure, reconciling, repeats  # noqa: F401
from tests.chaos.site import Site
from tests.chaos.verdict import Report
from tests.chaos.witnesses import Ear

__all__ = ["COLUMNS", "SCENARIOS", "run_all", "table"]

COLUMNS = ("sent", "acknowledged", "stored", "published", "cooled", "doubled", "lost", "republished", "redelivered")


def run_all(folder: Path, names: Iterable[str], seed: int, long: bool, out: Callable[[str], None]) -> Iterator[Report]:
    """Yields each report as soon as it is there.

    Args:
        long: else everything happens fewer times, and what one scenario began may arrive while the next goes on: the
            short form waits only once for all to come.
    """
    began = time.monotonic()

    def say(line: str) -> None:
        out(f"[{time.monotonic() - began:6.1f} s] {line}")

    with Site(folder, say) as site, Ear(site.values, "shopper-events") as ear:
        unsettled: list[Run] = []
        for name in names:
            run = Run(site, ear, name, seed, long, say)
            run.undergo()
            unsettled.append(run)
            if long:
                yield _settled(unsettled.pop(), say)
        for run in unsettled:
            yield _settled(run, say)


def _settled(run: Run, say: Callable[[str], None]) -> Report:
    report = run.settled()
    say(f"{run.name}: " + ("survived" if not report.faults else "; ".join(report.faults)))
    return report


def table(reports: Sequence[Report]) -> str:
    """The reports, one line each."""
    width = max(len(report.name) for report in reports)
    head = f"{'scenario':<{width}} " + " ".join(f"{column:>{max(8, len(column))}}" for column in COLUMNS)
    lines = [head, "-" * len(head)]
    for report in reports:
        numbers = " ".join(f"{getattr(report, column):>{max(8, len(column))}}" for column in COLUMNS)
        lines.append(f"{report.name:<{width}} {numbers}  {report.told}".rstrip())
        lines += [f"{'':<{width}} FAULT: {fault}" for fault in report.faults]
    return "\n".join(lines)
