"""The month within which a person's request must be answered: article 12(3) of the GDPR. Pure.

Counted as Regulation (EEC, Euratom) 1182/71 does, article 3: to the same date of the next month, or its last day. What
that regulation adds at the end of holidays is left out, so that a warning never comes too late. Does not know the two
further months that a complex request may take: the controller must tell the person of them, and decides it alone.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from enum import StrEnum

WARN_BEFORE = timedelta(days=7)
"""Time enough to mend a store and send the request again."""


class Urgency(StrEnum):
    IN_TIME = "in time"
    SOON = "soon"
    OVERDUE = "overdue"


def due(requested: datetime) -> datetime:
    year, month = (requested.year + 1, 1) if requested.month == 12 else (requested.year, requested.month + 1)
    return requested.replace(year=year, month=month, day=min(requested.day, monthrange(year, month)[1]))


def urgency(until: datetime, now: datetime) -> Urgency:
    if now > until:
        return Urgency.OVERDUE
    return Urgency.SOON if until - now < WARN_BEFORE else Urgency.IN_TIME
