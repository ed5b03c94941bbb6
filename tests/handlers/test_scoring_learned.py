"""Scoring by trained models: what is written where there are some, and what happens where they or their tables fail."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from functions.scoring import planning
from functions.scoring.function import FUNCTION
from functions.scoring.predicting import TABLES, Outdated, restriction
from functions.scoring.predictor import FELL_BACK, LATE_CONSENTS, pages
from functions.scoring.rules import generosity, threshold
from layers.facts import TRAINED_MODELS
from layers.learning import CATEGORIES, CHURN, DISCOVERIES, PRODUCTS, QUESTIONS, TrainedModel, TrainedModels, columns_of
from layers.learning.logistic import Logistic
from layers.learning.trained import Member
from layers.scoring_runs.shards import Shard
from layers.stores.topics import DEAD_LETTER_DAYS
from layers.tree.rounding import PREDICTED, digits
from tests.handlers.scoring_site import RUN, SHOP, Site, pseudonym, shopper

DAY = date(2026, 11, 22)
"""The local day of the run, in Paris."""
MANY = 9
NEXT = RUN + timedelta(days=1)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SHOPPERS_A_SHARD", 4)


def models(version: str = "t1", at: datetime = RUN - timedelta(days=2)) -> TrainedModels:
    """The first feature of each question alone says how likely it is."""

    def model(names: tuple[str, ...]) -> tuple[Member, ...]:
        many = len(names)
        zeros = (0.0,) * many
        return (Member(Logistic(zeros, (1.0,) * many, (1.0, *zeros[1:], *zeros), -2.0)),)

    return TrainedModels(
        version, at, "2026-11-20", {q.name: TrainedModel(q.name, q.names, model(q.names)) for q in QUESTIONS}
    )


def row(number: int, first: str, strength: float | None, day: date = DAY, **more: Any) -> dict[str, Any]:
    return {"as_of": day, "shopper": pseudonym(number), first: strength, **more}


def statistics(number: int, day: date = DAY, **changes: Any) -> dict[str, Any]:
    quantiles = {"q10": 8.0, "q25": 14.0, "q50": 20.0, "q60": 22.0, "q75": 30.0, "q90": 41.0}
    counted = {"trips": 12, "trips_28": 6, "discount_share": 0.25, "segment": "loyal"}
    return {"as_of": day, "shopper": pseudonym(number), **quantiles, **counted, **changes}


def site(many: int = MANY, day: date = DAY) -> Site:
    """Everybody bought 40 products before, each likelier than the one before, and never eight others."""
    made = Site()
    made.warehouse.there = {TRAINED_MODELS.stored_as, *TABLES}
    made.warehouse.features["aa"] = lambda _: [shopper(number, 48.0) for number in range(many)]
    made.warehouse.statistics = [statistics(number, day) for number in range(many)]
    people = range(many)
    made.tables.rows = {
        PRODUCTS.table: [
            row(n, PRODUCTS.names[0], k, day, product=f"p{k:02}", category="MILK", usual_price=k / 2 if k % 2 else None)
            | {"clientele_mean_price": 9.999, "brand": "b"}
            for n in people
            for k in range(40)
        ],
        DISCOVERIES.table: [
            row(n, DISCOVERIES.names[0], k, day, product=f"new{k}", clientele_mean_price=1.5)
            for n in people
            for k in range(8)
        ],
        CATEGORIES.table: [row(n, CATEGORIES.names[0], k, day, category=f"C{k:02}") for n in people for k in range(35)],
        CHURN.table: [row(n, CHURN.names[0], n, day) for n in people if n],
    }
    made.shelf.kept["retailer_aa"] = [models().encode()]
    return made


async def scored(made: Site, run: datetime = RUN) -> Site:
    made.build(run)
    await made.settle()
    return made


def logged(capsys: pytest.CaptureFixture[str], message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["message"] == message]


def probability(question: Any, strength: float) -> float:
    columns = columns_of([dict.fromkeys(question.names) | {question.names[0]: strength}], question.names)
    return digits(float(models().models[question.name].probabilities(columns)[0]), PREDICTED)


def test_the_probabilities_are_the_models_and_the_best_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    made = asyncio.run(scored(site()))
    stored = made.stored()
    assert set(stored) == {pseudonym(number) for number in range(MANY)}
    found = stored[pseudonym(3)]
    assert [p.id for p in found.products] == [f"p{k:02}" for k in reversed(range(10, 40))]
    assert [p.probability for p in found.products] == [probability(PRODUCTS, k) for k in reversed(range(10, 40))]
    assert (found.products[0].price, found.products[1].price) == (19.5, 10.0), "its own, else everybody's in cents"
    assert {(p.category, p.brand) for p in found.products} == {("MILK", "b")}
    assert [p.id for p in found.discoveries] == [f"new{k}" for k in (7, 6, 5, 4, 3)]
    assert list(found.categories) == [f"C{k:02}" for k in reversed(range(5, 35))]
    assert found.churn == probability(CHURN, 3) and stored[pseudonym(0)].churn is None
    assert (found.segment, found.trips, found.usual_basket) == ("loyal", 12, 20.0)
    assert found.threshold == threshold(22.0).value
    assert found.generosity == generosity(20.0, found.threshold, 0.25, 0.75).value
    assert "2026-11-20" in found.why[0]
    (run,) = logged(capsys, "scored")
    assert (run["predictor"], run["learned"], run["computed"]) == ("learned", MANY, MANY)


def test_other_models_are_another_version_and_a_repetition_is_none() -> None:
    made = asyncio.run(scored(site()))
    first = asyncio.run(made.room.ledger.run("aa", RUN))
    other = site()
    asyncio.run(other.shelf.put("retailer_aa", models("t2", RUN - timedelta(days=1))))
    second = asyncio.run(asyncio.run(scored(other)).room.ledger.run("aa", RUN))
    third = asyncio.run(asyncio.run(scored(site())).room.ledger.run("aa", RUN))
    assert first is not None and second is not None and third is not None
    assert (first.plan.models, second.plan.models) == ("t1", "t2")
    assert first.plan.version == third.plan.version != second.plan.version


def test_models_that_come_while_a_run_is_on_are_the_next_ones() -> None:
    made = site()
    made.build()
    asyncio.run(made.deliver(*made.queue.pop(0)))
    asyncio.run(made.shelf.put("retailer_aa", models("t2", RUN)))
    asyncio.run(made.settle())
    run = asyncio.run(made.room.ledger.run("aa", RUN))
    assert run is not None and (run.plan.models, run.counts.learned) == ("t1", MANY)


def without_table(made: Site) -> None:
    made.warehouse.there -= {"product_features"}


def without_models(made: Site) -> None:
    made.shelf.kept.clear()


def without_a_question(made: Site) -> None:
    whole = models()
    part = TrainedModels(whole.version, whole.trained_at, whole.trained_until, {CHURN.name: whole.models[CHURN.name]})
    made.shelf.kept["retailer_aa"] = [part.encode()]


def of_yesterday(made: Site) -> None:
    made.warehouse.statistics = [statistics(n, DAY - timedelta(days=1)) for n in range(MANY)]


def features_of_yesterday(made: Site) -> None:
    for each in made.tables.rows[CATEGORIES.table]:
        each["as_of"] = DAY - timedelta(days=1)


def without_features(made: Site) -> None:
    del made.tables.rows[DISCOVERIES.table]


@pytest.mark.parametrize(
    "trouble",
    [without_table, without_models, without_a_question, of_yesterday, features_of_yesterday, without_features],
)
def test_without_models_or_tables_of_the_day_how_often_they_buy_predicts_and_the_run_says_so(
    trouble: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = site()
    trouble(made)
    asyncio.run(scored(made))
    stored = made.stored()
    assert set(stored) == {pseudonym(number) for number in range(MANY)}
    assert {tuple(p.id for p in found.products) for found in stored.values()} == {("p1",)}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (run,) = [line for line in lines if line["message"] == "scored"]
    assert (run["predictor"], run["learned"]) == ("recency", 0)
    # Somebody is told, but for a retailer of whom nothing was learned yet.
    fell_back = [line for line in lines if line["message"] == FELL_BACK]
    assert bool(fell_back) is (trouble is not without_models)
    assert all(line["severity"] == "WARNING" and line["retailer"] == "aa" and line["reason"] for line in fell_back)
    assert FELL_BACK in {measure.message for measure in FUNCTION.measures}


def test_tables_that_are_made_anew_within_a_shard_never_make_anybody_lose_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first page is read, then the next night's rows stand in the tables."""
    monkeypatch.setattr("functions.scoring.pages.PAGE", 1)
    made, read = site(), list[str]()

    def anew(table: str) -> None:
        read.append(table)
        if len(read) == 6:
            for rows in (made.warehouse.statistics, *made.tables.rows.values()):
                for each in rows:
                    each["as_of"] = DAY + timedelta(days=1)

    made.tables.before = anew
    asyncio.run(scored(made))
    assert made.refusals, "the shard that noticed it within comes again"
    assert set(made.stored()) == {pseudonym(number) for number in range(MANY)}
    assert {tuple(p.id for p in found.products) for found in made.stored().values()} == {("p1",)}


def test_who_withdrew_since_the_tables_were_made_is_not_scored_though_there_are_features() -> None:
    made = site()
    made.warehouse.statistics = [statistics(n) for n in range(MANY) if n != 4]
    asyncio.run(scored(made))
    assert set(made.stored()) == {pseudonym(number) for number in range(MANY) if number != 4}


def test_neighbours_that_are_read_beside_a_page_are_not_predicted_though_their_day_counts() -> None:
    made = site()
    made.warehouse.statistics = [statistics(n) for n in range(MANY) if n != 4]
    sizes = []
    for rows, found, _ in pages(made.room, SHOP, RUN, Shard(0, 1), ("01",), "t1", 2, {"p39"}):
        people = {row["shopper"] for row in rows} - {pseudonym(0)}
        assert set(found.churn) == people
        assert all(set(each) - {pseudonym(0)} == people for each in (found.products, found.discoveries, found.promoted))
        sizes.append(len(rows))
    assert sizes == [2] * 4
    made.tables.rows[CHURN.table] = [row(4, CHURN.names[0], 4.0, DAY - timedelta(days=1))]
    with pytest.raises(Outdated, match=CHURN.table):
        next(pages(made.room, SHOP, RUN, Shard(0, 1), ("01",), "t1", 2))


def test_a_run_that_is_killed_ends_as_if_it_had_not_been() -> None:
    expected = asyncio.run(scored(site())).stored()
    whole = asyncio.run(scored(site())).calls
    for at in range(1, whole + 1, 7):
        made = site()
        made.kill_at, made.after = at, bool(at % 2)
        asyncio.run(scored(made))
        assert made.stored() == expected, f"killed at call {at}"


def test_no_consent_that_was_cooled_late_is_missed() -> None:
    assert timedelta(days=DEAD_LETTER_DAYS + 1) <= LATE_CONSENTS


@pytest.mark.parametrize("low", ["01' OR '1'='1", pseudonym(1), ""])
def test_a_condition_takes_digits_only_and_no_whole_pseudonym(low: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        restriction(low, "01f")
    with pytest.raises(ValueError, match="letters and digits"):
        restriction("01f", low)


def test_equally_likely_products_stand_in_the_order_of_their_ids() -> None:
    made = site(1)
    made.tables.rows[PRODUCTS.table] = [
        row(0, PRODUCTS.names[0], None, product=f"p{k}") for k in np.random.default_rng(1).permutation(40)
    ]
    asyncio.run(scored(made))
    found = made.stored()[pseudonym(0)].products
    assert [p.id for p in found] == sorted(f"p{k}" for k in range(40))[:30]
    assert found[0].price is None
