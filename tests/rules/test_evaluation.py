"""The evaluation's own rules: nothing of the future is read before everything is predicted, and lists are whole."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from emulators.shop.journey_data import Line, Order, Product
from tests.evaluation import baselines, history, models
from tests.evaluation.baselines import Past
from tests.evaluation.cold import record
from tests.evaluation.judging import lists, ranked

CUT = date(2017, 12, 1)
PRODUCTS = {
    **{f"g{n}": Product(f"g{n}", None, "GROCERY", "MILK", None) for n in range(5)},
    "fuel": Product("fuel", None, "FUEL", "FUEL", None),
}


def order(customer: str, day: date, *products: str) -> Order:
    at = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
    return Order(f"{customer}-{day}", customer, "1", at, day, tuple(Line(p, 1, 1.0, 0.0) for p in products))


@pytest.mark.parametrize("cut", [date(2017, 8, 1), date(2017, 10, 13), CUT, date(2017, 12, 31)])
def test_every_training_day_has_its_future_before_the_cut(cut: date) -> None:
    days = models.training_days(cut)
    assert len(days) >= 2, "one to learn from, one to judge by"
    assert all(day + history.HORIZON <= cut for day in days)
    assert {day.weekday() for day in days} == {cut.weekday()}


def test_an_order_of_the_future_among_those_of_the_past_is_refused() -> None:
    with pytest.raises(AssertionError, match="future"):
        Past.of(CUT, [order("1", CUT, "g1")], PRODUCTS)


def test_baselines_by_hand() -> None:
    past = Past.of(
        CUT,
        [
            order("1", date(2017, 6, 1), "g1"),
            order("1", date(2017, 6, 8), "g1", "fuel"),
            order("1", date(2017, 11, 20), "g2"),
            order("2", date(2017, 11, 21), "g3", "g2"),
        ],
        PRODUCTS,
    )
    assert past.trips("1") == 3
    assert past.days_since_last("2") == 10
    assert baselines.popular(past) == ["g2", "g3"]
    assert baselines.frequent(past, "1") == ["g1", "g2"]
    # .5^(1/12) + .5^(2/12) against 1.
    assert baselines.recent(past, "1") == ["g1", "g2"]
    assert baselines.recent(past, "nobody") == []


def test_what_is_alike_has_one_order() -> None:
    assert ranked({"b": 0.5, "a": 0.5, "c": 0.9}, 2) == ["c", "a"]


def test_ours_is_compared_household_by_household() -> None:
    baskets = {"1": {"a", "b"}, "2": {"c"}}
    found = lists({"ours": {"1": ["a"], "2": ["c"]}, "other": {"1": ["a"], "2": ["x"]}}, baskets, "ours")
    assert found["models"]["ours"]["recall@10"][0] == 0.75
    assert found["ours_minus"]["other"]["recall@10"][0] == 0.5


def test_an_order_is_cooled_as_ingest_would_have_kept_it() -> None:
    kept = record(order("1", date(2017, 6, 1), "g1", "g2"), "01" + "a" * 32)
    assert kept.event.at == datetime(2017, 6, 1, 18, tzinfo=UTC)
    assert kept.received > kept.event.at
