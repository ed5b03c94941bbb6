"""Threshold, generosity and what is stored of a shopper."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.scoring.features import Features
from functions.scoring.rules import (
    Computed,
    Refused,
    binding,
    checked,
    generosity,
    parameters,
    threshold,
    version,
)
from layers.retailers import AbsentConsent, Contract, Retailer
from layers.tree.likeness import is_felt
from layers.tree.parameters import decode_parameters
from layers.tree.rounding import digits

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
SHOP = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
totals = st.floats(0, 5000, allow_nan=False).map(lambda value: round(value, 2))


def row(**changes: Any) -> dict[str, Any]:
    products = [
        {"id": "p1", "probability": 0.5, "price": 3.4901, "category": "MILK", "brand": None},
        {"id": "p2", "probability": 0.25, "price": 0.0021, "category": None, "brand": "b"},
        {"id": "p3", "probability": 0.1, "price": None, "category": None, "brand": None},
    ]
    return {
        "shopper": "01" + "a" * 32,
        "orders": 12,
        "trips_28": 4,
        "q10": 12.0,
        "q25": 30.0,
        "usual": 45.129,
        "stretch": 52.0,
        "q75": 61.0,
        "q90": 80.0,
        "discount": 20.0,
        "paid": 80.0,
        "products": json.dumps(products),
        "categories": json.dumps([{"name": "MILK", "probability": 0.6}]),
    } | changes


@pytest.mark.parametrize(
    ("stretch", "asked"), [(0, 5), (4.99, 5), (5, 10), (49.99, 50), (50, 60), (52, 60), (150, 175), (500, 550)]
)
def test_the_threshold_is_the_next_round_step(stretch: float, asked: float) -> None:
    assert threshold(stretch).value == asked


@given(totals, totals)
def test_a_threshold_is_a_stretch_never_out_of_reach_and_grows_with_the_orders(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert low < threshold(low).value <= threshold(high).value
    assert threshold(high).value - high <= 50
    assert threshold(high).value % 5 == 0


@given(totals, totals, totals, totals)
def test_generosity_never_exceeds_a_tenth_of_the_lift_but_for_the_smallest(
    usual: float, asked: float, discount: float, paid: float
) -> None:
    given = generosity(usual, asked, discount, paid)
    assert given.value == 0 or given.value >= 0.5
    assert given.value <= max(0.5, 0.1 * max(0.0, asked - usual))
    assert given.value % 0.5 == 0
    if discount == 0:
        assert given.value == 0, "who never used a discount needs none"


def test_a_reason_stands_beside_each_amount() -> None:
    assert "quantile" in threshold(52).reason
    assert "without" in generosity(45, 60, discount=1, paid=99).reason
    assert generosity(45, 60, discount=20, paid=80).value == 1.5


def stored(row: dict[str, Any], version: str, now: datetime) -> Computed | Refused:
    features = Features.of(row)
    return checked(features.shopper, parameters(features, version, now))


def kept(features: dict[str, Any], version: str = "v1", now: datetime = NOW) -> Computed:
    made = stored(features, version, now)
    assert isinstance(made, Computed)
    return made


def test_what_is_stored_of_a_shopper() -> None:
    made = kept(row())
    found = decode_parameters(made.data)
    assert made.shopper == "01" + "a" * 32
    assert [(p.id, p.probability, p.price, p.category, p.brand) for p in found.products] == [
        ("p1", 0.5, 3.49, "MILK", None),
        ("p2", 0.25, None, None, "b"),
        ("p3", 0.1, None, None, None),
    ]
    assert found.categories == {"MILK": 0.6}
    assert (found.usual_basket, found.threshold, found.generosity, found.trips) == (45.13, 60, 1.0, 12)
    assert (found.version, found.computed_at) == ("v1", NOW)
    assert made.shopper.encode() not in made.data


@pytest.mark.parametrize("nothing", [None, "null"])
def test_a_shopper_whose_lines_were_no_products(nothing: str | None) -> None:
    found = decode_parameters(kept(row(products=nothing, categories=nothing, discount=None, paid=None)).data)
    assert (found.products, found.categories, found.generosity) == ((), {}, 0)


def test_a_statement_that_does_not_fit_fails_loudly() -> None:
    with pytest.raises(msgspec.MsgspecError):
        stored({name: value for name, value in row().items() if name != "stretch"}, "v1", NOW)
    with pytest.raises(msgspec.MsgspecError):
        stored(row(products=json.dumps([{"id": "p1", "probability": 1.5}])), "v1", NOW)


def test_parameters_that_no_reader_would_take_are_refused_without_a_value() -> None:
    refused = stored(row(orders=-17), "v1", NOW)
    assert isinstance(refused, Refused)
    assert "trips" in refused.reason and "17" not in refused.reason
    large = json.dumps([{"id": "p" * 1000, "probability": 0.5}] * 30)
    refused = stored(row(products=large), "v1", NOW)
    assert isinstance(refused, Refused) and "bytes" in refused.reason


def test_the_sketch_tells_a_change_and_nothing_else() -> None:
    one = kept(row())
    assert kept(row(), "v2", NOW + timedelta(days=1)).sketch == one.sketch
    assert is_felt(one.sketch, kept(row(orders=13)).sketch)
    assert is_felt(one.sketch, kept(row(products=json.dumps([]))).sketch)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 6))
def test_rounding_keeps_order_and_probabilities(one: float, other: float, many: int) -> None:
    low, high = sorted((one, other))
    assert 0 <= digits(low, many) <= digits(high, many) <= 1
    assert digits(digits(one, many), many) == digits(one, many)
    assert abs(digits(one, many) - one) <= one * 0.5 * 10.0 ** (1 - many) * (1 + 1e-9)


def test_a_repeated_run_has_the_same_version_and_another_rule_never() -> None:
    assert version("SELECT 1", SHOP, NOW) == version("SELECT 1", SHOP, NOW)
    others = {
        version("SELECT 2", SHOP, NOW),
        version("SELECT 1", SHOP, NOW + timedelta(days=1)),
        version("SELECT 1", msgspec.structs.replace(SHOP, timezone="Europe/London"), NOW),
    }
    assert len(others | {version("SELECT 1", SHOP, NOW)}) == 4
    assert version("SELECT 1", SHOP, NOW).startswith("20261122T033000Z-")


def test_the_contract_and_the_consent_rule_reach_the_statement() -> None:
    strict = msgspec.structs.replace(SHOP, contract=Contract(transactions=30))
    assert binding(strict, NOW)["oldest"] == NOW - timedelta(days=30)
    assert binding(strict, NOW)["unknown_consent"] is False
    open_ = msgspec.structs.replace(SHOP, absent_consent=AbsentConsent.GRANTED)
    assert binding(open_, NOW)["unknown_consent"] is True
