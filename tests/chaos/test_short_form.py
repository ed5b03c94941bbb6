"""The suite's short form: every scenario, with fewer blows than `make chaos` deals."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.chaos.course import SCENARIOS, run_all, table
from tests.chaos.verdict import Report

NAMES = [name for name, each in SCENARIOS.items() if each.short]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Report]]:
    # The same seed for the same state of the suite: a failure is to be repeated, and a new scenario draws anew.
    seed = zlib.crc32(" ".join(NAMES).encode()) % 1_000_000
    folder = tmp_path_factory.mktemp("chaos")
    found = list(run_all(folder, NAMES, seed, long=False, out=lambda line: print(line, flush=True)))
    print(f"\n{table(found)}\nseed {seed}")
    yield {report.name: report for report in found}


@pytest.mark.parametrize("name", NAMES)
def test_survived(reports: dict[str, Report], name: str) -> None:
    report = reports[name]
    assert not report.faults
    assert (report.lost, report.doubled) == (0, 0)
    assert report.cooled == report.stored >= report.acknowledged > 0
