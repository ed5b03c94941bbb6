"""When a campaign has room again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from layers.campaigns.budgets import PaidFrom, cents
from layers.campaigns.model import Campaign
from layers.ledger.healing import Balance

MOST_PROMISES = 1000
"""Documents of promises that a run compares with the ledger: about as many reads more. A million are gone through in a
week of runs."""

MOST_BUDGETS = 300
"""Local budgets that a run puts in order, about ten documents each; 43 200 a day, as many as 600 stores open in 36."""

MOST_RESERVATIONS = 3000
"""That ran out and are looked at in a run: 430 000 a day."""

KEPT_IN_ORDER = timedelta(days=40)
"""After a period's end nothing of its budgets runs out any more: an order has 30 days, and a promise one before."""

_SETTLES = timedelta(minutes=30)
"""From an order's arrival to its audit: Pub/Sub gives a message up after about 14 minutes of failures."""

_FIRST = timedelta(days=2)
_LONGEST = timedelta(hours=6)
_SHORTEST = timedelta(hours=1)
"""A statement an hour and retailer; a night that was missed is made up for in four runs."""


def span(until: datetime | None, now: datetime) -> tuple[datetime, datetime] | None:
    """Of which arrivals the orders are audited next; None while it is too early.

    Args:
        until: up to where they were; None if never.
    """
    since = until if until is not None else now - _FIRST
    last = min(now - _SETTLES, since + _LONGEST)
    return (since, last) if last - since >= _SHORTEST else None


def has_room(campaign: Campaign, paid: Iterable[PaidFrom], left: Mapping[str, Balance]) -> bool:
    """Whether the dearest offer of the campaign fits into all its budgets.

    A percentage has no dearest offer that is known here; a hundredth of the budget is taken for it.
    """
    dearest = max((cents(level.money or 0.0) for level in campaign.generosity), default=0)
    for one in paid:
        found = left.get(one.budget)
        if found is None:
            continue  # Never opened: nothing of it is gone.
        need = 1 if one.unit == "count" else max(dearest, one.units // 100, 1)
        if found.free < need:
            return False
    return True
