"""Which change of a shopper's parameters is written: what a decision could feel, and nothing less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.tree.likeness import ABSOLUTE, RELATIVE, is_felt, sketch
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import MAX_PRODUCTS, PredictedProduct, ShopperParameters

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
OFFER = ShopperOffer(
    campaign="milk", offer="percent_20", kind="promotion", product="p1", generosity=0.5, propensity=0.9
)
OTHER = msgspec.structs.replace(OFFER, offer="percent_10", generosity=0.25, propensity=0.05, drawn=False)


def parameters(**changes: Any) -> ShopperParameters:
    fields: dict[str, Any] = {
        "version": "v1",
        "computed_at": NOW,
        "products": (PredictedProduct("p1", 0.41, 3.49, "MILK", "b"), PredictedProduct("p2", 0.013)),
        "discoveries": (PredictedProduct("p9", 0.02),),
        "categories": {"MILK": 0.6},
        "usual_basket": 45.13,
        "threshold": 60.0,
        "generosity": 1.5,
        "trips": 12,
        "churn": 0.2,
        "segment": "loyal",
        "offers": (OFFER, OTHER),
        "group_propensity": 0.95,
    }
    return ShopperParameters(**{**fields, **changes})


BEFORE = parameters()
RARE = (PredictedProduct("p3", 0.009), PredictedProduct("p2", 0.008))
"""One that was not there, and one that was likelier than it."""


def felt(**changes: Any) -> bool:
    return is_felt(sketch(BEFORE), sketch(msgspec.structs.replace(BEFORE, **changes)))


def offer(**changes: Any) -> tuple[ShopperOffer, ...]:
    return (msgspec.structs.replace(OFFER, **changes), OTHER)


@pytest.mark.parametrize(
    "changes",
    [
        {"trips": 13},
        {"usual_basket": 45.14},
        {"threshold": 70.0},
        {"generosity": 2.0},
        {"segment": "lost"},
        {"control": True},
        {"group_propensity": 0.9},
        {"why": ("by other models",)},
        {"churn": 0.25},
        {"churn": None},
        {"categories": {"MILK": 0.68}},
        {"categories": {"MILK": 0.6, "TEA": 0.05}},
        {"products": (PredictedProduct("p1", 0.36, 3.49, "MILK", "b"), PredictedProduct("p2", 0.013))},
        {"products": (PredictedProduct("p1", 0.41, 3.49, "TEA", "b"), PredictedProduct("p2", 0.013))},
        {"discoveries": (PredictedProduct("p9", 0.04),)},
        {"offers": ()},
        {"offers": (OTHER, OFFER)[:1]},
        {"offers": offer(threshold=30.0)},
        {"offers": offer(generosity=0.51)},
        {"offers": offer(propensity=0.8)},
        {"offers": offer(drawn=False)},
        {"offers": offer(stores=("lille",))},
        {"offers": offer(until=NOW)},
    ],
)
def test_what_a_decision_can_tell(changes: dict[str, Any]) -> None:
    assert felt(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"version": "v2", "computed_at": NOW + timedelta(days=1)},
        {"churn": 0.208},
        {"categories": {"MILK": 0.62}},
        {"products": (PredictedProduct("p1", 0.42, 3.52, "MILK", "b"), *RARE)},
        {"offers": offer(expected_margin=0.2, expected_cost=0.1, probability=0.3, uplift=0.1, why="brings more")},
        {"discoveries": (PredictedProduct("p9", 0.025),)},
    ],
)
def test_what_it_can_not(changes: dict[str, Any]) -> None:
    assert not felt(**changes)


def test_which_of_the_last_comes_last_is_not_felt_and_a_new_favourite_is() -> None:
    """A list that is full hides what is a little less likely than its last."""
    full = tuple(PredictedProduct(f"p{n}", 0.5 - n / 100) for n in range(MAX_PRODUCTS))
    held = sketch(parameters(products=full))
    assert not is_felt(held, sketch(parameters(products=(*full[:-1], PredictedProduct("new", 0.205)))))
    assert is_felt(held, sketch(parameters(products=(PredictedProduct("new", 0.5), *full[:-1]))))


probabilities = st.floats(0, 1).map(lambda value: round(value, 6))


@given(probabilities, probabilities)
def test_a_probability_is_felt_as_it_says(one: float, other: float) -> None:
    """But for the 4 % to which a sketch knows it."""
    held, new = (sketch(parameters(categories={"A": each})) for each in (one, other))
    moved, share = abs(one - other), RELATIVE * max(one, other)
    if moved > max(ABSOLUTE, share) + 0.045 * (one + other):
        assert is_felt(held, new)
    if moved <= max(ABSOLUTE, share) - 0.045 * (one + other):
        assert not is_felt(held, new)
    assert is_felt(held, new) == is_felt(new, held) and not is_felt(held, held)


@given(st.lists(probabilities, min_size=2, max_size=60))
def test_nothing_drifts_away_however_slowly(nights: list[float]) -> None:
    """What is stored is never further from what is computed than a change that is felt at once."""
    stored = parameters(categories={"A": nights[0]})
    for each in nights[1:]:
        new = parameters(categories={"A": each})
        if is_felt(sketch(stored), sketch(new)):
            stored = new
        kept = stored.categories["A"]
        assert abs(kept - each) <= max(ABSOLUTE, RELATIVE * max(kept, each)) + 0.045 * (kept + each)


@given(st.binary(max_size=64))
def test_what_is_no_sketch_is_felt(text: bytes) -> None:
    assert is_felt(text, sketch(BEFORE)) and len(sketch(BEFORE)) < 64
