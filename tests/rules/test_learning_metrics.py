"""Metrics against examples worked out by hand, and against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.learning.metrics import (
    auc,
    auc_intervals,
    calibration_error,
    log_loss,
    mean_interval,
    ndcg_at,
    recall_at,
    reliability,
)


def test_recall_counts_the_basket() -> None:
    assert recall_at(["a", "x", "b", "c"], {"a", "b", "c", "d"}, 3) == 0.5
    assert recall_at([], {"a"}, 10) == 0.0


def test_ndcg_by_hand() -> None:
    # Hits at places 1 and 3: 1 + 1/2. The best of two: 1 + 1/log2(3).
    assert ndcg_at(["a", "x", "b"], {"a", "b"}, 10) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    # A basket larger than the list: the best is a full list.
    assert ndcg_at(["a", "b"], {"a", "b", "c", "d"}, 2) == pytest.approx(1.0)


def test_auc_by_hand() -> None:
    # Of the four pairs three are in order, one is a tie.
    assert auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(3.5 / 4)
    assert math.isnan(auc(np.array([0.1, 0.2]), np.array([1.0, 1.0])))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2, max_size=30))
def test_weights_are_repetitions(rows: list[tuple[int, bool, int]]) -> None:
    scores, happened, weights = (np.array([float(row[place]) for row in rows]) for place in range(3))
    counts = weights.astype(int)
    repeated = auc(np.repeat(scores, counts), np.repeat(happened, counts)) if counts.sum() else math.nan
    weighted = auc(scores, happened, weights)
    assert weighted == pytest.approx(repeated) or (math.isnan(weighted) and math.isnan(repeated))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[float, bool]]) -> None:
    yes, no = [s for s, h in rows if h], [s for s, h in rows if not h]
    found = auc(np.array([s for s, _ in rows]), np.array([float(h) for _, h in rows]))
    if not yes or not no:
        assert math.isnan(found)
    else:
        pairs = [(a > b) + (a == b) / 2 for a in yes for b in no]
        assert found == pytest.approx(sum(pairs) / len(pairs))


def test_log_loss_by_hand() -> None:
    found = log_loss(np.array([0.8, 0.25]), np.array([1.0, 0.0]))
    assert found == pytest.approx(-(math.log(0.8) + math.log(0.75)) / 2)


def test_calibration_by_hand() -> None:
    probabilities, happened = np.array([0.1, 0.2, 0.7, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    assert [part.rows for part in reliability(probabilities, happened, 2)] == [2, 2]
    assert calibration_error(probabilities, happened, 2) == pytest.approx((0.15 + 0.2) / 2)


def test_an_interval_holds_the_mean_and_shrinks_with_the_sample() -> None:
    chance = np.random.default_rng(1)
    few, many = mean_interval(chance.normal(size=100)), mean_interval(chance.normal(size=10_000))
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < few.high - few.low


def test_a_better_model_shows_in_a_paired_interval() -> None:
    chance = np.random.default_rng(1)
    happened = (chance.random(3000) < 0.3).astype(float)
    good, bad = happened + chance.normal(size=3000), happened + 3 * chance.normal(size=3000)
    groups = chance.integers(0, 300, 3000).astype(float)
    own, more = auc_intervals([good, bad, good], happened, groups)
    assert own[0].low < own[0].value < own[0].high
    assert more[0].low > 0
    assert (more[1].low, more[1].high) == (0.0, 0.0)
