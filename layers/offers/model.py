"""What offers are worked out from: a shopper's predictions and statistics, and what holds for all shoppers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property

from layers.campaigns.model import Campaign, HouseRules
from layers.offers.audience import Audiences
from layers.offers.baskets import Baskets
from layers.offers.elasticity import Elasticities

DISCOUNT_SEEKING = 0.10
"""From this share of the value taken off in discounts, a shopper is said to care for them: promotions and tensions are
for these, games for the others."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A product with its predicted probability of being in the shopper's next basket."""

    product: str
    probability: float
    category: str | None = None
    department: str | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class ShopperView:
    """Attributes:
    baskets: None where too little is known; what asks for a basket total is not offered then.
    discount_share: of the value bought, what came off in discounts, 0 to 1.
    trips_per_week: expected; budgets are counted with it.
    reached: the campaigns that are for this shopper (`audience`); None for all.
    """

    shopper: str
    wanted: Sequence[Wanted]
    baskets: Baskets | None = None
    discount_share: float = 0.0
    trips_per_week: float = 1.0
    reached: Set[str] | None = None

    def is_reached_by(self, campaign: Campaign) -> bool:
        return self.reached is None or campaign.campaign in self.reached

    @property
    def seeks_discounts(self) -> bool:
        return self.discount_share >= DISCOUNT_SEEKING


@dataclass(frozen=True, slots=True)
class BudgetPrices:
    """What a unit of each budget is worth, the dual variables of the allocation: an offer must bring more than it uses.

    Attributes:
        money, count: by campaign. brand: by brand, of its monthly money. All 0 or more; absent is 0.
    """

    money: Mapping[str, float] = field(default_factory=dict)
    count: Mapping[str, float] = field(default_factory=dict)
    brand: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """One run of one retailer: the same for every shopper.

    Attributes:
        at: when the run was scheduled for, with its offset.
        campaigns: those that run then.
        prices: by product, the same for everybody; so a percentage is the same amount for everybody too. A product
            without a price is not promoted, because no cap could be checked.
    """

    retailer_id: str
    at: datetime
    campaigns: Sequence[Campaign]
    rules: HouseRules
    prices: Mapping[str, float] = field(default_factory=dict)
    elasticities: Elasticities = field(default_factory=Elasticities)
    budget_prices: BudgetPrices = field(default_factory=BudgetPrices)

    @cached_property
    def audiences(self) -> Audiences:
        return Audiences(self.campaigns)

    @cached_property
    def by_product(self) -> dict[str, tuple[Campaign, ...]]:
        """Promotions that name the product."""
        found: dict[str, tuple[Campaign, ...]] = {}
        for campaign in self.campaigns:
            for product in campaign.products:
                found[product] = (*found.get(product, ()), campaign)
        return found

    @cached_property
    def by_category(self) -> dict[str, tuple[Campaign, ...]]:
        """Promotions that name the category."""
        found: dict[str, tuple[Campaign, ...]] = {}
        for campaign in self.campaigns:
            for category in campaign.categories:
                found[category] = (*found.get(category, ()), campaign)
        return found

    @cached_property
    def of_baskets(self) -> tuple[Campaign, ...]:
        """Tensions and games."""
        return tuple(campaign for campaign in self.campaigns if campaign.kind != "promotion")

    @cached_property
    def asked(self) -> dict[str, tuple[float, ...]]:
        """By campaign, the basket totals that it may ask for."""
        return {c.campaign: c.threshold.values() for c in self.campaigns if c.threshold is not None}

    def promotions_of(self, wanted: Wanted) -> list[Campaign]:
        """Campaigns that promote it, each once, by id."""
        named = {c.campaign: c for c in self.by_product.get(wanted.product, ())}
        for campaign in self.by_category.get(wanted.category or "", ()):
            if not campaign.brand or campaign.brand == wanted.brand:
                named.setdefault(campaign.campaign, campaign)
        return [named[id] for id in sorted(named)]

    @cached_property
    def week(self) -> str:
        """The Monday of the run's ISO week, UTC: what is drawn for a shopper is drawn once a week."""
        day = self.at.astimezone(UTC).date()
        return (day - timedelta(days=day.weekday())).isoformat()
