"""Whether a shopper may be promised one more offer: by caps of a period, and by what may be combined. Pure.

What is refused here is refused to one shopper, and until a moment; what no budget has room for, to all (`keeping`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from layers.campaigns.budgets import midnight
from layers.campaigns.model import Campaign, HouseRules
from layers.campaigns.terms import Cap, days_of, may_combine
from layers.promises.model import Fate, Promise, Promises


class Because(StrEnum):
    """Why a shopper is not promised an offer."""

    CAPPED = "capped"
    NOT_COMBINED = "not_combined"
    STORE_USED_UP = "store_used_up"
    TOO_LATE = "too_late"
    """The decision came again when its reservation had been released."""
    UNREADABLE = "unreadable"
    """What this shopper was promised cannot be read."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A cap, of the period of one moment. Amounts in cents.

    Attributes:
        campaign: whose promises count; empty for all.
    """

    since: datetime
    until: datetime
    campaign: str = ""
    cents: int | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    because: Because
    until: datetime


def limits_of(campaign: Campaign, rules: HouseRules, at: datetime) -> tuple[Limit, ...]:
    """The campaign's caps, then those of the house, in the campaign's time zone."""
    return (*_limits(campaign, campaign.caps, campaign.campaign, at), *_limits(campaign, rules.shopper_caps, "", at))


def _limits(campaign: Campaign, caps: Iterable[Cap], whose: str, at: datetime) -> Iterator[Limit]:
    for cap in caps:
        days = days_of(cap.per, at, campaign.timezone)
        if days is None:
            since, until = campaign.begins().astimezone(UTC), campaign.is_over().astimezone(UTC)
        else:
            since, until = (midnight(campaign.timezone, day) for day in days)
        money = None if cap.money is None else int(round(cap.money * 100, 6))
        yield Limit(since, until, whose, money, cap.count)


def refusal(promises: Promises | None, wish: Promise, limits: Iterable[Limit], now: datetime) -> Refused | None:
    """None: the shopper may be promised this. Of several reasons, the one that lasts longest."""
    held = promises.promises if promises is not None else ()
    found = []
    for one in held:
        if one.fate is Fate.OPEN and one.until > wish.at and not may_combine(one.stacking, wish.stacking):
            found.append(Refused(Because.NOT_COMBINED, one.until))
    for limit in limits:
        counting = [one for one in held if _counts(one, limit, now)]
        over_count = limit.count is not None and len(counting) + 1 > limit.count
        over_money = limit.cents is not None and sum(map(_worth, counting)) + wish.cents > limit.cents
        if over_count or over_money:
            found.append(Refused(Because.CAPPED, limit.until))
    return max(found, key=lambda refused: refused.until, default=None)


def _counts(one: Promise, limit: Limit, now: datetime) -> bool:
    """What was freed no longer does; what lapsed does, since the shopper had it all the same."""
    if limit.campaign not in ("", one.campaign) or not limit.since <= one.at < limit.until:
        return False
    if one.fate is Fate.OPEN:
        return one.until > now
    return one.fate not in (Fate.NOT_EARNED, Fate.RETURNED)


def _worth(one: Promise) -> int:
    return one.earned if one.fate is Fate.EARNED else one.cents
