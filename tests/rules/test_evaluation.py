"""The evaluation's own rules: nothing of the future is read before everything is predicted, and lists are whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from emulators.shop.journey_data import Line, Order, Product
from layers.learning import TrainedModel, TrainedModels
from tests.evaluation import baselines, history, models, plain_categories
from tests.evaluation.answers import answers
from tests.evaluation.baselines import Past
from tests.evaluation.cold import record
from tests.evaluation.judging import lists, ranked
from tests.evaluation.predicting import Predicted
from tests.evaluation.verdicts import pairs

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


def test_plain_counts_by_hand_and_nothing_of_the_day_itself() -> None:
    day = date(2017, 6, 30)
    known = {"1": {date(2017, 6, 1): {"MILK"}, date(2017, 6, 11): {"MILK", "BREAD"}, date(2017, 6, 25): {"BREAD"}}}
    found = plain_categories.count(known, day, ["1", "2"], ["BREAD", "MILK", "WINE"])
    [milk, wine, nobody] = found.of([("1", "MILK"), ("1", "WINE"), ("2", "MILK")])
    told = dict(zip(plain_categories.NAMES, milk.tolist(), strict=True))
    assert told["trips with it in 14 days"] == 0 and told["trips with it in 28 days"] == 1
    assert told["trips with it"] == 2 and told["share of trips with it"] == pytest.approx(2 / 3)
    assert told["days since it was bought"] == 19 and told["days between two purchases of it"] == 10
    assert told["trips in 28 days"] == 2 and told["trips"] == 3 and told["days since the last trip"] == 5
    # In 28 days one trip of two had milk.
    assert told["share of everybody's trips of 28 days"] == pytest.approx(0.5)
    assert wine[3] == 0 and np.isnan(wine[5]) and nobody[9] == 0

    later = {"1": {**known["1"], day: {"WINE", "MILK"}, day + timedelta(days=3): {"WINE"}}}
    again = plain_categories.count(later, day, ["1", "2"], ["BREAD", "MILK", "WINE"])
    np.testing.assert_array_equal(found.features, again.features)


def test_an_earlier_day_knows_less() -> None:
    past = Past.of(CUT, [order("1", date(2017, 6, 1), "g1"), order("2", date(2017, 11, 20), "g2")], PRODUCTS)
    earlier = plain_categories.until(past, date(2017, 11, 20))
    assert set(earlier.days) == {"1"} and earlier.cut == date(2017, 11, 20)


def test_pairs_are_of_households_with_a_habit() -> None:
    many = [order("1", date(2017, 6, n), "g1") for n in range(1, 6)] + [order("2", date(2017, 6, 1), "g1")]
    sets = pairs(Past.of(CUT, many, PRODUCTS), PRODUCTS)
    assert all(found == [("1", "MILK")] for found in sets.values())
    assert len(sets) == 4


@pytest.mark.parametrize(
    ("cut", "facts"), [(CUT, 0), (date(2017, 12, 4), 0), (date(2017, 12, 5), 1), (date(2017, 12, 31), 2)]
)
def test_what_the_data_cannot_judge_is_said_with_a_remedy(cut: date, facts: int) -> None:
    found = history.unknown(cut)
    assert len(found) == facts
    for fact, newest in zip(found, ("2017-12-04", "2017-12-18"), strict=False):
        assert f"Choose {newest} or earlier" in fact
        assert history.unknown(date.fromisoformat(newest)) == [] or "not judged" in fact


def test_everybody_is_answered_in_the_form_that_a_stranger_reads() -> None:
    """Also who bought nothing that is scored: what is popular, and the clientele's share."""
    popular = [f"g{n}" for n in range(30)]
    learnt = TrainedModel("churn", (), (), figures={"share": 0.25})
    scored = Predicted(
        models=TrainedModels("v", datetime(2017, 12, 1, tzinfo=UTC), "2017-12-01", {"churn": learnt}),
        products={"p1": {"g7": 0.5, "x": 0.9}},
        binary={"p1": {"g7": 0.5}},
        discoveries={"p1": {"g3": 0.1, "g4": 0.2}},
        popular_new={},
        churn={"p1": 0.123456},
        categories={"p1": {"MILK": 0.987654}},
        cpu_s=0,
        seconds=0,
    )
    given = answers(scored, {"p1": "1"}, {"1", "2"}, popular)
    assert given.recommendations["1"][:3] == ["x", "g7", "g0"]
    for best in given.recommendations.values():
        assert len(best) == len(set(best)) == 20
    assert given.recommendations["2"] == popular[:20]
    assert given.churn == {"1": 0.12346, "2": 0.25}
    assert given.categories == {"1": {"MILK": 0.98765}, "2": {}}
    assert given.discoveries == {"1": ["g4", "g3"]}


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
