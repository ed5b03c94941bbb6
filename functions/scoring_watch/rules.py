"""When a run is late, and when one is missing. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from layers.scoring_runs.ledger import Head

LATE = timedelta(hours=2)
"""After its moment, at which modelling begins. Scoring itself fans out over instances and takes minutes."""

MISSING = timedelta(hours=27)
"""After the moment of the last one: a night and a generous morning."""


class Verdict(StrEnum):
    FINE = "fine"
    RUNNING = "running"
    LATE = "late"
    MISSING = "missing"
    NONE_YET = "none-yet"


def judged(head: Head | None, now: datetime) -> Verdict:
    """Of a retailer's newest run; `now` is when the watch was scheduled for."""
    if head is None:
        return Verdict.NONE_YET
    age = now - head.run
    if head.settled:
        return Verdict.MISSING if age > MISSING else Verdict.FINE
    return Verdict.LATE if age > LATE else Verdict.RUNNING
