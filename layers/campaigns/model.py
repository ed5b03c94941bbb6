"""A campaign and the house rules as they are written. Data only, closed; `problems` holds the rules between fields."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from layers.campaigns.terms import (
    EVERYBODY,
    MOST_STORES,
    Audience,
    CampaignId,
    Cap,
    Named,
    Positive,
    ProductId,
    Share,
    Shared,
    StoreId,
    days_of,
)
from layers.campaigns.terms import Period as Period


class ProductKind(StrEnum):
    """What the law of promotions tells apart."""

    FOOD = "food"
    PET_FOOD = "pet_food"
    HOUSEHOLD = "household"
    """Hygiene, beauty, cleaning and other goods of daily use that are not eaten."""
    DURABLE = "durable"
    """Not of daily use: cloth, tools, books."""


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One generosity that may be offered. Exactly one of `percent` (off the product's price), `money` (off the product
    or the basket) and `prize` with `chance` (of a game).
    """

    percent: Annotated[float, Meta(gt=0, le=100)] | None = None
    money: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    prize: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    chance: Annotated[float, Meta(gt=0, le=1)] | None = None

    @property
    def id(self) -> str:
        """`percent_20`, `money_0.5`, `prize_5_at_0.1`: of its meaning, so that a level keeps its name."""
        if self.percent is not None:
            return f"percent_{self.percent:g}"
        if self.money is not None:
            return f"money_{self.money:g}"
        return f"prize_{self.prize:g}_at_{self.chance:g}"


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be given away in each period: `money` in the retailer's currency, `count` of offers used.

    Attributes:
        per: the period that both are of.
        of: `store`: every store has so much for itself.
    """

    money: Positive | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    per: Period = "campaign"
    of: Literal["campaign", "store"] = "campaign"


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The basket totals that an offer may ask for, from which each shopper's own is chosen."""

    lowest: Positive
    highest: Positive
    step: Positive = 5.0

    def values(self) -> tuple[float, ...]:
        steps = int((self.highest - self.lowest) / self.step + 1e-9)
        return tuple(round(self.lowest + n * self.step, 2) for n in range(steps + 1))


class Campaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a retailer and a brand agreed.

    Attributes:
        campaign: its id, for ever: decisions and budgets name it.
        brand: who advertises, as the catalogue names it; empty for the retailer's own.
        kind: `promotion` is off a product; `tension` off the basket at a threshold; `game` is played at a threshold.
        products, categories: what a promotion is of: these products, and in these categories the products of `brand`
            (of every brand, where that is empty).
        substitutes: of a promotion: these count, too, where the shop delivers them in the place of what was promised.
            Without, nobody is given anything for another product.
        generosity: the levels, one of which a shopper is offered.
        margin: of a promotion's product, as a share of its price: what one more unit brings whoever pays, before the
            offer. Without, the house rules' `basket_margin`.
        within: further budgets that must hold as well, each of another period or of each store: so much a day within so
            much a month. The ledger keeps to them; scoring plans by `budget`.
        per_shopper: offers of this campaign that one shopper holds at a time. caps: what one shopper may be promised.
        audience: whom it is for; everybody, if nothing is said.
        stores: where it is offered and used; in all, if none is named.
        threshold: basket totals, VAT included; without, a promotion asks for none.
        starts, ends: the first and the last local day, both of them whole, whatever the clocks do meanwhile.
        timezone: IANA name; the retailer's, if none is said, and from then on part of the version.
        exclusive: campaigns of one name are never combined: neither offered to one shopper together, nor used by one
            order.
        combines: false: with no other campaign at all.
        exploration: the share of draws that is spread evenly over all alternatives, so that other policies can be
            judged; at least 0.1, or 0 where the agreement forbids it.
        agreed_units: units of a year's turnover that brand and retailer agreed beforehand, from which the law's volume
            cap counts; without, that cap is not checked.
    """

    campaign: CampaignId
    brand: Annotated[str, Meta(max_length=64)] = ""
    kind: Literal["promotion", "game", "tension"]
    products: Annotated[tuple[ProductId, ...], Meta(max_length=1000)] = ()
    categories: Annotated[tuple[Named, ...], Meta(max_length=100)] = ()
    substitutes: Annotated[tuple[ProductId, ...], Meta(max_length=20)] = ()
    generosity: Annotated[tuple[Level, ...], Meta(min_length=1, max_length=6)]
    margin: Share | None = None
    budget: Budget
    within: Annotated[tuple[Budget, ...], Meta(max_length=6)] = ()
    per_shopper: Annotated[int, Meta(ge=1, le=5)] = 1
    caps: Annotated[tuple[Cap, ...], Meta(max_length=4)] = ()
    audience: Audience = EVERYBODY
    stores: Annotated[tuple[StoreId, ...], Meta(max_length=MOST_STORES)] = ()
    threshold: Thresholds | None = None
    starts: date
    ends: date
    timezone: Annotated[str, Meta(max_length=64)] = ""
    exclusive: Annotated[str, Meta(max_length=64)] = ""
    combines: bool = True
    exploration: Share = 0.1
    agreed_units: Annotated[int, Meta(ge=1)] | None = None

    @property
    def stacking(self) -> tuple[str, str, bool]:
        """What `may_combine` asks."""
        return self.campaign, self.exclusive, self.combines

    def begins(self) -> datetime:
        return datetime.combine(self.starts, time(), ZoneInfo(self.timezone))

    def is_over(self) -> datetime:
        """The first moment at which it is over."""
        return datetime.combine(self.ends + timedelta(days=1), time(), ZoneInfo(self.timezone))

    def runs(self, at: datetime) -> bool:
        return self.begins() <= at < self.is_over()

    def period(self, at: datetime) -> str:
        """Names the budget's period that a moment is in, by its first local day: `2026-11-23`."""
        return self.period_days(at)[0].isoformat()

    def period_days(self, at: datetime, per: Period | None = None) -> tuple[date, date]:
        """The first local day of a period that a moment is in, and the day after its last; of `budget`'s, if none is
        named.
        """
        found = days_of(per or self.budget.per, at, self.timezone)
        return found or (self.starts, self.ends + timedelta(days=1))


class HouseRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What holds for all campaigns of a retailer.

    Attributes:
        country: ISO 3166 alpha-2, whose law caps promotions.
        departments, categories: the kind of product, for that law; a category's goes before its department's, and what
            stands in neither gets the country's strictest cap.
        basket_margin: what one more unit of currency in a basket brings, as a share.
        control: share of shoppers in the permanent control group. Raising or lowering it keeps members.
        offers_per_shopper: of all campaigns, at a time. per_brand: of one brand.
        brand_money: by brand, what all its campaigns together may give away in a month.
        shared: further budgets over several campaigns: of a brand, a store, or all; a day, a week or a month.
        shopper_caps: what one shopper may be promised by all campaigns together, a day, a week or a month.
    """

    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)")]
    departments: dict[Named, ProductKind] = {}
    categories: dict[Named, ProductKind] = {}
    basket_margin: Share = 0.25
    control: Annotated[float, Meta(ge=0, le=0.5)] = 0.05
    offers_per_shopper: Annotated[int, Meta(ge=1, le=5)] = 3
    per_brand: Annotated[int, Meta(ge=1, le=5)] = 1
    brand_money: dict[Named, Positive] = {}
    shared: Annotated[tuple[Shared, ...], Meta(max_length=50)] = ()
    shopper_caps: Annotated[tuple[Cap, ...], Meta(max_length=4)] = ()

    def kind_of(self, category: str | None, department: str | None) -> ProductKind | None:
        """None where nobody declared it."""
        return self.categories.get(category or "") or self.departments.get(department or "")


def default_rules(locale: str) -> HouseRules:
    """Of a retailer that published none: its locale's country (`fr-FR`), so that no cap of the law is missed."""
    return HouseRules(country=locale[-2:].upper())
