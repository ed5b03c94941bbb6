"""Which budgets an offer of a campaign is paid from, as the ledger knows them. Pure.

A ledger's budget is for good and only grows, so each period has budgets of its own, named by its first day. Amounts are
what the shopper saves, VAT included, since that is what a price on the shelf and a basket's total are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Literal
from zoneinfo import ZoneInfo

from layers.campaigns.model import Campaign, HouseRules, Period

Unit = Literal["cents", "count"]

_PER_SHARD = {"cents": 50_000, "count": 100}
_MOST_SHARDS = 8
"""A shard takes about a write a second for long, so eight bear about three reservations a second of one campaign."""


@dataclass(frozen=True, slots=True)
class PaidFrom:
    """Attributes:
    budget: its name in the ledger. units: its limit. per: the period. until: the first moment after it.
    """

    budget: str
    unit: Unit
    units: int
    per: Period
    until: datetime

    @property
    def shards(self) -> int:
        return max(1, min(_MOST_SHARDS, self.units // _PER_SHARD[self.unit]))


def cents(amount: float) -> int:
    """Rounded up, so that what is held is never less than what is promised."""
    return math.ceil(round(amount * 100, 6))


def paid_from(campaign: Campaign, rules: HouseRules, at: datetime) -> tuple[PaidFrom, ...]:
    """All budgets that must hold an offer of this moment, in a fixed order."""
    return tuple(_paid_from(campaign, rules, at))


def _paid_from(campaign: Campaign, rules: HouseRules, at: datetime) -> Iterator[PaidFrom]:
    for budget in (campaign.budget, *campaign.within):
        first, after = campaign.period_days(at, budget.per)
        name, until = f"{campaign.campaign}.{budget.per}.{first}", _midnight(campaign, after)
        if budget.money is not None:
            # Down: a limit is never exceeded by a part of a cent.
            units = int(round(budget.money * 100, 6))
            yield PaidFrom(f"{name}.cents", "cents", units, budget.per, until)
        if budget.count is not None:
            yield PaidFrom(f"{name}.count", "count", budget.count, budget.per, until)
    money = rules.brand_money.get(campaign.brand)
    if money is not None:
        first, after = campaign.period_days(at, "month")
        # A brand is named in any letters, and a document's id must not hold each of them.
        brand = sha256(campaign.brand.encode()).hexdigest()[:12]
        units = int(round(money * 100, 6))
        yield PaidFrom(f"brand-{brand}.month.{first}.cents", "cents", units, "month", _midnight(campaign, after))


def _midnight(campaign: Campaign, day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(campaign.timezone)).astimezone(UTC)
