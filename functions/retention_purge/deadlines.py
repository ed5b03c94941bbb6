"""Erasures that are not complete though their month is nearly over, or over: somebody is told, every night.

Here because a request is resumed by its sender only, so the endpoint itself never runs again for one that was given up.
Does not own the month (`layers.privacy.deadline`), nor the request (functions/consent_erasure).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from layers.privacy.deadline import Urgency, urgency
from layers.shell.log import log
from layers.stores.collections import ERASURES
from layers.stores.firestore.port import Documents

OPEN = ("running", "incomplete")
"""What `status` says of a request that has no receipt yet."""

LINE = "erasure without a receipt"
"""The message of the log line that each such request leaves."""

CHECKED = "erasure deadlines checked"
"""The message of the line that every check leaves: an alarm listens for its absence, since a check that never runs
warns nobody."""


async def tell(documents: Documents, now: datetime) -> dict[str, int]:
    """Logs each open request that is due soon or overdue; how many there are of each urgency."""
    found = {each.value: 0 for each in Urgency}
    for status in OPEN:
        for document in await documents.find(ERASURES, status=status):
            how = urgency(document.data["due"], now)
            found[how.value] += 1
            if how is not Urgency.IN_TIME:
                _log(document.id, document.data, how, now)
    log("INFO", CHECKED, in_time=found[Urgency.IN_TIME], soon=found[Urgency.SOON], overdue=found[Urgency.OVERDUE])
    return found


def _log(id: str, data: dict[str, Any], how: Urgency, now: datetime) -> None:
    days = (data["due"] - now).days
    log(
        "ERROR" if how is Urgency.OVERDUE else "WARNING",
        LINE,
        erasure=id,
        retailer=data["retailer"],
        urgency=how.value,
        days_left=days,
        status=data["status"],
    )
