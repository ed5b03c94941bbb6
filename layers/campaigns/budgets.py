"""Which budgets an offer of a campaign is paid from, as the ledger knows them. Pure.

A ledger's budget is for good and only grows, so each period has budgets of its own, named by its first day. Amounts are
what the shopper saves, VAT included, since that is what a price on the shelf and a basket's total are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Literal
from zoneinfo import ZoneInfo

from layers.campaigns.model import Campaign, HouseRules, Period

Unit = Literal["cents", "count"]

EACH = "each"
"""The store of a shared budget that every store has for itself."""

NOWHERE = "-"
"""Of who is in no store that the page named; no store has this id."""

_NAMED = "in"
"""In the name of a shared budget of one store."""

_PER_SHARD = {"cents": 50_000, "count": 100}
_MOST_SHARDS = 8
"""A shard takes about a write a second for long, so eight bear about three reservations a second of one campaign."""


@dataclass(frozen=True, slots=True)
class PaidFrom:
    """Attributes:
    budget: its name in the ledger. units: its limit. per: the period. until: the first moment after it.
    local: it is one store's, so that others are not concerned when it is used up.
    """

    budget: str
    unit: Unit
    units: int
    per: Period
    until: datetime
    local: bool = False

    @property
    def shards(self) -> int:
        return max(1, min(_MOST_SHARDS, self.units // _PER_SHARD[self.unit]))


def cents(amount: float) -> int:
    """Rounded up, so that what is held is never less than what is promised."""
    return math.ceil(round(amount * 100, 6))


def paid_from(campaign: Campaign, rules: HouseRules, at: datetime, store: str = "") -> tuple[PaidFrom, ...]:
    """All budgets that must hold an offer of this moment, in a fixed order.

    Args:
        store: where it is offered; where that is not known, a budget of each store has a share for nowhere.
    """
    return tuple(_paid_from(campaign, rules, at, store or NOWHERE))


def in_stores(paid: PaidFrom, opened: Iterable[str]) -> list[str]:
    """Of a local budget of nowhere, the names of the same in each store, among those opened; sorted."""
    before, _, unit = paid.budget.rpartition(f".{NOWHERE}.")
    return sorted(name for name in opened if name.startswith(f"{before}.") and name.endswith(f".{unit}"))


def of_named_stores(campaign: Campaign, rules: HouseRules, at: datetime) -> list[PaidFrom]:
    """The shared budgets of single stores, which an offer needs in that store only."""
    found = []
    for store in sorted({shared.store for shared in rules.shared} - {"", EACH}):
        found += [paid for paid in _paid_from(campaign, rules, at, store) if f".{_NAMED}.{store}." in paid.budget]
    return found


def _paid_from(campaign: Campaign, rules: HouseRules, at: datetime, store: str) -> Iterator[PaidFrom]:
    for budget in (campaign.budget, *campaign.within):
        first, after = campaign.period_days(at, budget.per)
        name = f"{campaign.campaign}.{budget.per}.{first}"
        if budget.of == "store":
            name = f"{name}.store.{store}"
        until = midnight(campaign.timezone, after)
        yield from _units(name, budget.money, budget.count, budget.per, until, budget.of == "store")
    money = rules.brand_money.get(campaign.brand)
    if money is not None:
        first, after = campaign.period_days(at, "month")
        name = f"brand-{_named(campaign.brand)}.month.{first}"
        yield from _units(name, money, None, "month", midnight(campaign.timezone, after))
    for shared in rules.shared:
        if shared.brand in ("", campaign.brand) and shared.store in ("", EACH, store):
            first, after = campaign.period_days(at, shared.per)
            name = f"shared-{_named(shared.brand) if shared.brand else 'all'}.{shared.per}.{first}"
            if shared.store:
                name = f"{name}.{EACH if shared.store == EACH else _NAMED}.{store}"
            until = midnight(campaign.timezone, after)
            yield from _units(name, shared.money, shared.count, shared.per, until, bool(shared.store))


def _named(brand: str) -> str:
    # A brand is named in any letters, and a document's id must not hold each of them.
    return sha256(brand.encode()).hexdigest()[:12]


def _units(
    name: str, money: float | None, count: int | None, per: Period, until: datetime, local: bool = False
) -> Iterator[PaidFrom]:
    if money is not None:
        # Down: a limit is never exceeded by a part of a cent.
        yield PaidFrom(f"{name}.cents", "cents", int(round(money * 100, 6)), per, until, local)
    if count is not None:
        yield PaidFrom(f"{name}.count", "count", count, per, until, local)


def midnight(timezone: str, day: date) -> datetime:
    """The day's first moment there: where the clocks skip midnight, the one that they would have shown."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)
