"""What limits a campaign beside its budgets: for whom it is, what one shopper may get, what may be combined. Data only.

Also the scalars that campaigns are made of. `problems` holds the rules between fields.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

CampaignId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,47}$(?!\n)")]
ProductId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$(?!\n)")]
StoreId = ProductId
Named = Annotated[str, Meta(min_length=1, max_length=64)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=100_000_000)]

Period = Literal["day", "week", "month", "campaign"]

MOST_STORES = 40
"""Of a campaign: they travel with each offer to the shopper's row, which a page reads whole."""


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one shopper may be promised in each period, by what was reserved: an offer that was not used, or whose order
    was cancelled, no longer counts.
    """

    money: Positive | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    per: Period = "campaign"


class Shared(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What several campaigns together may give away in each period.

    Attributes:
        brand: of that brand's campaigns alone; without, of all.
        store: in that store alone, or in `each` store for itself; without, in all together.
    """

    brand: Annotated[str, Meta(max_length=64)] = ""
    store: Annotated[str, Meta(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?$(?!\n)")] = ""
    money: Positive | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    per: Literal["day", "week", "month"] = "month"


class Predicted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """That the shopper is likely to buy something: one of `product` and `category`, with `least` probability."""

    least: Annotated[float, Meta(gt=0, le=1)]
    product: ProductId | None = None
    category: Named | None = None


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom a campaign is for. All that is said must hold.

    Attributes:
        shoppers: `new` have at most one order that scoring counted, `known` more.
        segments: any of these, as the retailer's models name them.
        predicted: any of these.
        purposes: what the shopper must have agreed to, beside personalisation, which every offer needs.
        conditions: in the tree's language, over what scoring knows of a shopper (`shopper.*`), each of them.
    """

    shoppers: Literal["all", "new", "known"] = "all"
    segments: Annotated[tuple[Named, ...], Meta(max_length=20)] = ()
    predicted: Annotated[tuple[Predicted, ...], Meta(max_length=10)] = ()
    purposes: Annotated[tuple[Literal["advertising", "measurement", "rewards"], ...], Meta(max_length=3)] = ()
    conditions: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=300)], ...], Meta(max_length=10)] = ()


EVERYBODY = Audience()


def days_of(per: Period, at: datetime, timezone: str) -> tuple[date, date] | None:
    """The first local day of a period, and the day after its last; None for that of a campaign."""
    day = at.astimezone(ZoneInfo(timezone)).date()
    monday, first = day - timedelta(days=day.weekday()), day.replace(day=1)
    match per:
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            return monday, monday + timedelta(days=7)
        case "month":
            return first, (first + timedelta(days=32)).replace(day=1)
    return None


def may_combine(one: tuple[str, str, bool], other: tuple[str, str, bool]) -> bool:
    """Whether offers of two campaigns may be used by one order.

    Args:
        one, other: `campaign`, `exclusive` and `combines` of each. Offers of one campaign always may: `per_shopper` is
            what limits them.
    """
    (campaign, group, combines), (another, its_group, it_combines) = one, other
    return campaign == another or (combines and it_combines and not (group and group == its_group))
