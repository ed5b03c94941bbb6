"""When a run is late, and when one is missing. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from layers.scoring_runs.ledger import Head

LATE = timedelta(hours=2)
"""After it was planned. It fans out over instances and takes minutes. Not after its moment: a run that training asks
for has that of the tables, hours ago."""

MISSING = timedelta(hours=27)
"""After the moment of the last one: a night and a generous morning."""


class Verdict(StrEnum):
    FINE = "fine"
    RUNNING = "running"
    LATE = "late"
    MISSING = "missing"
    NONE_YET = "none-yet"


def judged(head: Head | None, planned: datetime | None, now: datetime) -> Verdict:
    """Of a retailer's newest run.

    Args:
        planned: when it was; None for one that was begun and not planned yet, which is then as old as its moment.
        now: when the watch was scheduled for.
    """
    if head is None:
        return Verdict.NONE_YET
    if head.settled:
        return Verdict.MISSING if now - head.run > MISSING else Verdict.FINE
    return Verdict.LATE if now - (planned or head.run) > LATE else Verdict.RUNNING
