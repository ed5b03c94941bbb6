"""The clock of a scheduled function: the moment that its job was scheduled for.

A retry of the same run then sees the same «now», so it does the same work.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

HEADER = "x-cloudscheduler-scheduletime"


class InvalidSchedule(ValueError):
    """The header is there and no RFC 3339 time with an offset."""


def scheduled_time(headers: Mapping[str, str], otherwise: datetime) -> datetime:
    """Args:
        headers: with lower-case names. otherwise: for a call that is not Cloud Scheduler's.

    Raises:
        InvalidSchedule: fails loudly, since a purge under a wrong clock cannot be undone.
    """
    text = headers.get(HEADER)
    if text is None:
        return otherwise
    moment: datetime | None = None
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
    if moment is None or moment.tzinfo is None:
        raise InvalidSchedule(f"{HEADER} is not an RFC 3339 time with an offset, so the run has no clock; not run")
    return moment.astimezone(UTC)
