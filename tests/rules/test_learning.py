"""The layer that learns: what is promised of probabilities, of what is written down, and of a training."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from functions.modelling.building import PROJECT
from layers.learning import (
    CHURN,
    DISCOVERIES,
    PRODUCTS,
    QUESTIONS,
    Question,
    TrainedModels,
    UnreadableModels,
    columns_of,
)
from layers.learning import calibration as calibrating
from layers.learning.bigquery_ml import create_model, predict
from layers.learning.calibration import Calibration
from layers.learning.features import Learner
from layers.learning.reading import training_rows
from layers.learning.training import NothingToLearn, Rows, train

EFFORT = 0.08
RNG = np.random.default_rng(7)


def past(question: Question, many: int = 900, days: int = 3, seed: int = 3) -> Rows:
    """Rows in which the first feature tells what happens, and some numbers are not known."""
    chance = np.random.default_rng(seed)
    columns = {name: chance.gamma(1.0, 3.0, many) for name in question.names}
    happened = (chance.random(many) < 1 / (1 + np.exp(3 - columns[question.names[0]]))).astype(float)
    columns[question.names[1]][::7] = np.nan
    return Rows(columns, chance.integers(0, days, many), chance.integers(0, 60, many), happened)


@pytest.fixture(scope="module")
def trained() -> TrainedModels:
    models = {question.name: train(question, past(question), effort=EFFORT) for question in QUESTIONS}
    return TrainedModels("v1", datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22", models)


def test_every_question_is_answered_by_probabilities(trained: TrainedModels) -> None:
    for question in QUESTIONS:
        rows = past(question, 50, seed=9)
        found = trained.models[question.name].probabilities(rows.columns)
        assert found.shape == (50,)
        assert np.all((found > 0) & (found < 1))


def test_what_happens_is_given_more(trained: TrainedModels) -> None:
    for question in QUESTIONS:
        assert trained.models[question.name].figures["auc"] > 0.6, question.name


def test_written_and_read_again_it_predicts_the_same(trained: TrainedModels) -> None:
    again = TrainedModels.decode(trained.encode())
    assert again.encode() == trained.encode()
    for question in QUESTIONS:
        columns = past(question, 40, seed=11).columns
        np.testing.assert_array_equal(
            again.models[question.name].probabilities(columns), trained.models[question.name].probabilities(columns)
        )


def test_the_same_rows_train_the_same_model() -> None:
    rows = past(PRODUCTS)
    assert train(PRODUCTS, rows, effort=EFFORT) == train(PRODUCTS, rows, effort=EFFORT)


def test_the_newest_day_is_judged_and_not_learnt_from_before() -> None:
    rows = past(PRODUCTS)
    turned = rows.happened.copy()
    newest = rows.days == rows.days.max()
    turned[newest] = 1 - turned[newest]
    found = train(PRODUCTS, Rows(rows.columns, rows.days, rows.shoppers, turned), effort=EFFORT)
    assert found.figures["auc"] < 0.4, "the model that is judged has seen the day that it is judged on"


def test_one_day_or_one_outcome_is_nothing_to_learn_from() -> None:
    rows = past(CHURN, days=1)
    with pytest.raises(NothingToLearn, match="two days"):
        train(CHURN, rows)
    rows = past(CHURN)
    with pytest.raises(NothingToLearn, match="all are the same"):
        train(CHURN, Rows(rows.columns, rows.days, rows.shoppers, np.zeros(len(rows))))


def test_a_missing_feature_is_named(trained: TrainedModels) -> None:
    columns = dict(past(CHURN, 5).columns)
    del columns["days_since_shopping"]
    with pytest.raises(KeyError, match="days_since_shopping"):
        trained.churn(columns)


def test_rows_become_columns_and_null_is_not_known() -> None:
    found = columns_of([{"a": 1, "b": None}, {"a": 2.5, "b": 3}], ("a", "b"))
    np.testing.assert_array_equal(found["a"], [1.0, 2.5])
    assert np.isnan(found["b"][0])


def test_reasons_add_up_to_the_strongest_first(trained: TrainedModels) -> None:
    for reasons in trained.reasons(PRODUCTS, past(PRODUCTS, 4).columns):
        assert len(reasons) == 3
        effects = [abs(reason.effect) for reason in reasons]
        assert effects == sorted(effects, reverse=True)
        assert all(reason.meaning for reason in reasons)


def test_no_rows_have_no_predictions(trained: TrainedModels) -> None:
    nothing = {name: np.array([]) for name in PRODUCTS.names}
    assert trained.products(nothing).shape == (0,)
    assert trained.reasons(PRODUCTS, nothing) == []


@pytest.mark.parametrize("data", [b"", b"{}", b'{"format":1}', b"\x80\x04pickle"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableModels):
        TrainedModels.decode(data)


def test_models_of_another_time_are_refused(trained: TrainedModels) -> None:
    written: dict[str, Any] = msgspec.json.decode(trained.encode())
    with pytest.raises(UnreadableModels, match="train again"):
        TrainedModels.decode(msgspec.json.encode({**written, "format": 2}))
    written["models"]["models"]["churn"]["features"][0] = "horoscope"
    with pytest.raises(UnreadableModels, match="horoscope"):
        TrainedModels.decode(msgspec.json.encode(written))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=2, max_size=60),
    st.lists(st.floats(-12, 12), min_size=2, max_size=20),
)
def test_calibration_keeps_the_order(learnt: list[tuple[float, bool]], scores: list[float]) -> None:
    found = calibrating.fitted(np.array([s for s, _ in learnt]), np.array([float(h) for _, h in learnt]))
    assert found.slope > 0
    probabilities = found.probabilities(np.sort(np.array(scores)))
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    assert np.all(np.diff(probabilities) >= 0)


def test_calibration_finds_what_it_was_made_with() -> None:
    scores = RNG.normal(size=40_000)
    happened = (RNG.random(40_000) < Calibration(2.0, -1.0).probabilities(scores)).astype(float)
    found = calibrating.fitted(scores, happened)
    assert abs(found.slope - 2.0) < 0.1
    assert abs(found.intercept + 1.0) < 0.1


@pytest.mark.parametrize("kept", [1.0, 3 / 16])
def test_what_was_left_out_is_made_up_for(kept: float) -> None:
    scores = RNG.normal(size=200_000)
    truth = Calibration(1.0, -3.0).probabilities(scores)
    happened = (RNG.random(len(scores)) < truth).astype(float)
    seen = (happened == 1) | (RNG.random(len(scores)) < kept)
    found = calibrating.fitted(scores[seen], happened[seen]).of_all(kept)
    assert abs(found.probabilities(scores).mean() - truth.mean()) < 0.003


def test_probabilities_of_discoveries_are_of_all_rows() -> None:
    rows = past(DISCOVERIES)
    every = train(dataclasses.replace(DISCOVERIES, kept=1.0), rows, effort=0.1)
    some = train(DISCOVERIES, rows, effort=0.1)
    assert some.figures == every.figures
    less = logit(some.probabilities(rows.columns)) - logit(every.probabilities(rows.columns))
    assert np.allclose(less, np.log(DISCOVERIES.kept)) and DISCOVERIES.kept < 1


def test_the_table_keeps_as_many_as_the_question_says() -> None:
    statement = (PROJECT / "models" / "features" / "discovery_features.sql").read_text()
    (digit,) = re.findall(r"MD5\(.*, 1, 1\) < '(\d)'", statement)
    assert int(digit) / 16 == DISCOVERIES.kept


def test_rows_have_one_order_whatever_order_they_came_in() -> None:
    table = pa.table(
        {
            "as_of": pa.array([2, 1, 1, 2], pa.int32()).cast(pa.date32()),
            "shopper": ["b", "b", "a", "a"],
            "target": [1, 0, 1, 0],
            **{name: [1.0, 2.0, None, 4.0] for name in CHURN.names},
        }
    )
    one = training_rows(CHURN, table.to_batches())
    other = training_rows(CHURN, table.take([3, 2, 1, 0]).to_batches())
    assert one.happened.tolist() == other.happened.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert np.isnan(one.columns["spend_28"][0])


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_bigquery_ml_learns_from_the_same_features(question: Question) -> None:
    for learner in set(question.learners) - {Learner.RANKING}:
        made = create_model(question, learner, "shop.retailer_demo")
        chosen = [line.split(" AS ")[-1] for line in made.split("SELECT\n")[1].split("\nFROM")[0].split(",\n")]
        assert [name.strip().removeprefix("f.") for name in chosen] == [*question.names, question.target, "judged"]
        asked = predict(question, learner, "shop.retailer_demo")
        columns = {*question.names, *question.keys, question.target, "as_of", "purpose"}
        assert set(re.findall(r"f\.(\w+)", asked)) == columns


def test_bigquery_ml_ranks_nothing() -> None:
    with pytest.raises(ValueError, match="no ranking"):
        create_model(PRODUCTS, Learner.RANKING, "shop.retailer_demo")
