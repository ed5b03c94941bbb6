"""Whether the ledger holds what a promise says. Pure.

Between the two stands a write that may be killed, and a message that may be lost. What is done about a difference is
not decided here: the events are asked again (`paying`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from layers.ledger.model import Reservation, Status
from layers.promises.model import DELIVERED_WITHIN, Fate, Promise


class Gap(StrEnum):
    """Between a promise and its reservation.

    Attributes:
        HELD: nothing is owed any more, and the reservation still holds it.
        SPENT: the reservation is spent, and no delivered order is known that earned it.
        UNSPENT: it was earned, and the reservation holds it, not spent.
        TOO_MUCH: more is spent than was earned.
        UNPAID: it was earned, and neither a budget pays it nor does the promise say so.
    """

    HELD = "held"
    SPENT = "spent"
    UNSPENT = "unspent"
    TOO_MUCH = "too_much"
    UNPAID = "unpaid"


_LATE = timedelta(days=1)
"""An order's events may come so much after the promise ran out."""

_OWED_NOTHING = (Fate.NOT_EARNED, Fate.RETURNED)


def _hopeless(promise: Promise) -> datetime:
    """From when on no order can still earn it."""
    match promise.fate:
        case Fate.OPEN:
            return promise.until + _LATE
        case Fate.ORDERED:
            return promise.until + DELIVERED_WITHIN
    return promise.at


def gap(promise: Promise, reservation: Reservation | None, now: datetime) -> Gap | None:
    """None where the two agree.

    Args:
        reservation: at rest; None where there is none, as beyond its retention.
    """
    status = reservation.status if reservation is not None else None
    spent = status is Status.COMMITTED
    if promise.fate is not Fate.EARNED:
        if spent:
            return Gap.SPENT if now >= _hopeless(promise) else None
        # An open promise whose time is over is freed by `heal`, which runs before.
        return Gap.HELD if promise.fate in _OWED_NOTHING and status is Status.RESERVED else None
    if reservation is None:
        return None
    if status is Status.RESERVED:
        return Gap.UNSPENT
    paid = [claim.settled for claim in reservation.claims if claim.budget in promise.money] if spent else [0]
    if max(paid, default=0) > promise.earned:
        return Gap.TOO_MUCH
    return Gap.UNPAID if min(paid, default=promise.earned) + promise.unbudgeted < promise.earned else None
