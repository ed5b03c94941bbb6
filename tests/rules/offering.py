"""Campaigns, shoppers and settings for the tests of offers: examples, and Hypothesis strategies for any."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from layers.campaigns.model import Budget, Campaign, HouseRules, Level, ProductKind, Thresholds
from layers.offers.baskets import Baskets
from layers.offers.elasticity import Elasticities
from layers.offers.model import BudgetPrices, Setting, ShopperView, Wanted

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)
CATEGORIES = ("UNHEARD", "SOAP", "COFFEE", "TOYS")
BRANDS = ("North", "South", "")
RULES = HouseRules(
    country="FR",
    categories={"COFFEE": ProductKind.FOOD, "SOAP": ProductKind.HOUSEHOLD, "TOYS": ProductKind.DURABLE},
    offers_per_shopper=3,
)
ELASTIC = Elasticities({"COFFEE": -3.0, "SOAP": -2.0, "TOYS": -3.9})


def campaign(**changes: Any) -> Campaign:
    fields: dict[str, Any] = {
        "campaign": "coffee",
        "kind": "promotion",
        "categories": ("COFFEE",),
        "generosity": (Level(percent=10.0), Level(percent=20.0), Level(percent=30.0)),
        "margin": 0.6,
        "budget": Budget(money=1000.0),
        "starts": date(2026, 11, 1),
        "ends": date(2026, 12, 31),
        "timezone": "Europe/Paris",
    }
    return Campaign(**{**fields, **changes})


TENSION = campaign(
    campaign="step", kind="tension", categories=(), generosity=(Level(money=1.0),), margin=None,
    threshold=Thresholds(10, 200, 5), exclusive="basket",
)  # fmt: skip
GAME = campaign(
    campaign="wheel", kind="game", categories=(), generosity=(Level(prize=10.0, chance=0.02),), margin=None,
    threshold=Thresholds(10, 200, 10), exclusive="basket",
)  # fmt: skip
BASKETS = Baskets(18.0, 27.0, 38.0, 42.0, 52.0, 70.0)
SHOPPER = ShopperView(
    "01" + "ab" * 16,
    (
        Wanted("coffee1", 0.34, "COFFEE", "GROCERY", "North"),
        Wanted("coffee2", 0.12, "COFFEE", "GROCERY", "South"),
        Wanted("soap1", 0.2, "SOAP", "DRUG", "North"),
    ),
    BASKETS,
    discount_share=0.2,
)
PRICES = {"coffee1": 3.49, "coffee2": 2.99, "soap1": 4.2, "toy1": 19.99}


def setting(*campaigns: Campaign, **changes: Any) -> Setting:
    fields: dict[str, Any] = {
        "retailer_id": "demo",
        "at": AT,
        "campaigns": campaigns,
        "rules": RULES,
        "prices": PRICES,
        "elasticities": ELASTIC,
    }
    return Setting(**{**fields, **changes})


def money(most: float = 200.0) -> st.SearchStrategy[float]:
    return st.integers(1, int(most * 100)).map(lambda cents: cents / 100)


@st.composite
def baskets(draw: st.DrawFn) -> Baskets:
    return Baskets(*sorted(draw(st.lists(money(), min_size=6, max_size=6))))


@st.composite
def levels(draw: st.DrawFn, kind: str) -> tuple[Level, ...]:
    if kind == "game":
        one = st.builds(
            lambda prize, chance: Level(prize=prize, chance=chance), money(30), st.sampled_from([0.02, 0.1])
        )
    elif kind == "tension":
        one = st.builds(lambda off: Level(money=off), money(4))
    else:
        percent = st.builds(lambda off: Level(percent=float(off)), st.integers(1, 60))
        one = st.one_of(percent, st.builds(lambda off: Level(money=off), money(2)))
    return tuple(draw(st.lists(one, min_size=1, max_size=5, unique_by=lambda level: level.id)))


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[Campaign, ...]:
    """Of all kinds, most of which have something to offer: elastic categories, high margins."""
    found = []
    for number in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["promotion", "promotion", "promotion", "tension", "game"]))
        promotion = kind == "promotion"
        asks = Thresholds(draw(money(50)), 150.0, 10.0)
        found.append(
            campaign(
                campaign=f"campaign{number}",
                kind=kind,
                brand=draw(st.sampled_from(["", "", "", *BRANDS[:2]])),
                categories=CATEGORIES[draw(st.integers(0, 3)) :] if promotion else (),
                generosity=draw(levels(kind)),
                margin=draw(st.sampled_from([0.4, 0.7, 0.95])) if promotion else None,
                per_shopper=draw(st.integers(1, 2)),
                threshold=asks if not promotion or draw(st.booleans()) else None,
                exclusive=draw(st.sampled_from(["", "", "one", "two"])),
                exploration=draw(st.sampled_from([0.0, 0.1, 0.3])),
            )
        )
    return tuple(found)


@st.composite
def shoppers(draw: st.DrawFn) -> ShopperView:
    wanted = [
        Wanted(
            f"product{n}",
            draw(st.sampled_from([0.05, 0.2, 0.4, 0.9, 0.0, 1.0])),
            draw(st.sampled_from(["TOYS", "COFFEE", "SOAP", "UNHEARD"])),
            "GROCERY",
            draw(st.sampled_from(BRANDS[:2])),
        )
        for n in range(draw(st.integers(1, 5)))
    ]
    return ShopperView(
        f"01{draw(st.integers(0, 2**64)):032x}",
        wanted,
        draw(st.just(BASKETS) | baskets() | st.none()),
        draw(st.sampled_from([0.2, 0.2, 0.05])),
        draw(st.sampled_from([0.1, 1.0, 3.0])),
    )


@st.composite
def settings_of(draw: st.DrawFn) -> Setting:
    running = draw(campaigns())
    rules = HouseRules(
        country=draw(st.sampled_from(["FR", "DE"])),
        categories=RULES.categories,
        offers_per_shopper=draw(st.integers(1, 4)),
        per_brand=draw(st.integers(1, 2)),
    )
    some = st.dictionaries(st.sampled_from([c.campaign for c in running]), st.floats(0, 0.2))
    prices = BudgetPrices(draw(some), draw(some), {})
    shown = {f"product{n}": draw(money(20)) for n in range(draw(st.integers(3, 5)))}
    return setting(*running, rules=rules, prices=shown, budget_prices=prices)
