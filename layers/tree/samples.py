"""Shoppers on whom every expression is tried before it is accepted: one nobody knows, one fully known, one who paid."""

from __future__ import annotations

from datetime import UTC, datetime

from layers.tree.offer import ShopperOffer
from layers.tree.parameters import PredictedProduct, ShopperParameters
from layers.tree.state import Line, Order, State
from layers.tree.variables import Values, values_of

_BLANK = State(tree_version="", started_ms=0, stretch_ms=0, last_ms=0, last_id="", node="")

_PARAMETERS = ShopperParameters(
    version="sample",
    computed_at=datetime(2026, 1, 1, tzinfo=UTC),
    products=tuple(
        PredictedProduct(f"product{n}", 0.9 - n / 50, price=2.5, category="DAIRY", brand="A brand") for n in range(30)
    ),
    categories={"DAIRY": 0.9},
    usual_basket=48.2,
    threshold=55.0,
    generosity=2.5,
    trips=31,
    discoveries=(PredictedProduct("product77", 0.2),),
    churn=0.1,
    segment="champions",
    offers=(
        ShopperOffer(campaign="coffee", offer="percent_20", kind="promotion", product="product5", generosity=0.5),
        ShopperOffer(campaign="step", offer="money_2", kind="tension", generosity=2.0, threshold=60.0),
        ShopperOffer(campaign="wheel", offer="prize_5_at_0.1", kind="game", generosity=5.0, threshold=70.0),
    ),
)

_FULL = State(
    tree_version="",
    started_ms=0,
    stretch_ms=0,
    last_ms=95_000,
    last_id="event123",
    node="",
    events=12,
    basket={"product3": Line(2.0, 3.25), "product9": Line(1.0, 9.9)},
    validated=True,
    page_kind="category",
    page_category="DAIRY",
    search="oat milk",
    event_type="AddedToBasket",
    event_product="product9",
    path="acde",
    shown=("promotion:near_reward", "game:"),
)

_PAID = State(
    tree_version="",
    started_ms=0,
    stretch_ms=0,
    last_ms=600_000,
    last_id="event124",
    node="",
    events=30,
    page_kind="checkout",
    event_type="OrderPaid",
    order=Order(paid=True, total=57.3, products=("product3", "product9")),
)


def sample_values() -> tuple[Values, ...]:
    """Made by the same function as real values, so that types cannot differ."""
    return values_of(_BLANK, None), values_of(_FULL, _PARAMETERS), values_of(_PAID, _PARAMETERS)
