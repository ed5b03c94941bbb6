"""The suite's short form: fewer shoppers, fewer kills, the same questions as `make privacy`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.privacy.course import run
from tests.privacy.form import SHORT

SEED = 1
"""The same at every run, so that a failure is to be repeated."""


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_nothing_of_the_erased_is_left(tmp_path: Path) -> None:
    report = run(tmp_path, SEED, SHORT, lambda line: print(line, flush=True))
    print(report.table())
    assert not report.faults
