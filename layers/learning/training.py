"""Trains a model for each question from rows of past days, and measures it on a later day. Pure, and deterministic.

The newest training day is held out first: a model of the earlier days predicts it, which gives the figures that the
gate judges and the calibration. Then the model is fitted anew on all days, the newest with them. Does not own which
rows there are (`functions/modelling/project/models/features`), nor whether the model is taken (`functions/training`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layers.learning import calibration, logistic, trees
from layers.learning.columns import Columns, Numbers, matrix
from layers.learning.features import Learner, Question
from layers.learning.logistic import Logistic
from layers.learning.metrics import auc, calibration_error, log_loss
from layers.learning.trained import Member, TrainedModel

MOST_ROWS = 500_000
"""Of one question: 90 features of four bytes are 180 MB, and what XGBoost makes of them as much again. Beyond it whole
days of a shopper are left out, drawn by chance with the training's seed."""

LOGISTIC_ROWS = 100_000

TREES: Mapping[str, Any] = {
    "eta": 0.1,
    "max_depth": 5,
    "min_child_weight": 20,
    "subsample": 0.6,
    "colsample_bytree": 0.4,
    "reg_lambda": 5,
}
_FEW_ROWS: Mapping[str, Any] = {
    **TREES,
    "eta": 0.03,
    "max_depth": 3,
    "min_child_weight": 30,
    "subsample": 0.6,
    "colsample_bytree": 0.3,
    "reg_lambda": 10,
}
_RANKING: Mapping[str, Any] = {
    **TREES,
    "objective": "rank:ndcg",
    "lambdarank_pair_method": "topk",
    "lambdarank_num_pair_per_sample": 20,
    "ndcg_exp_gain": False,
    "min_child_weight": 1,
}
ROUNDS = 100
_FEW_ROUNDS = 280
LOGISTIC_PENALTY = 1e-3
_FEW = 60_000
_FEW_OUTCOMES = 5_000
"""Deep trees learn so few by heart. As they do what is so rare that a table keeps a part of the other rows alone: of a
first purchase there are three in a thousand, and with ten thousand of them depth four is no better than three."""


class NothingToLearn(ValueError):
    """Too few rows, days or outcomes to train from."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Past rows of one question.

    Attributes:
        days: of each row, its day as a number that grows. shoppers: a number for each; of one day they need not stand
            together. happened: 0 or 1.
    """

    columns: Columns
    days: NDArray[np.int64]
    shoppers: NDArray[np.int64]
    happened: Numbers

    def __len__(self) -> int:
        return len(self.happened)


@dataclass(frozen=True, slots=True)
class _Part:
    rows: NDArray[np.float32]
    happened: Numbers
    groups: NDArray[np.int64]


def train(question: Question, rows: Rows, seed: int = 1, effort: float = 1.0) -> TrainedModel:
    """The model, its calibration and its figures on the newest day.

    Args:
        effort: of the usual number of trees; tests take less.

    Raises:
        NothingToLearn: fewer than two days, or one outcome alone.
    """
    if len(np.unique(rows.days)) < 2:
        raise NothingToLearn(f"{question.name}: training takes rows of two days at least, one to learn, one to judge")
    everything = matrix(rows.columns, question.names)
    groups = _grouped(rows)
    chosen = _sample(groups, seed)
    newest = rows.days == rows.days.max()
    earlier, later = _part(rows, everything, groups, chosen & ~newest), _part(rows, everything, groups, newest)
    for part in (earlier, later):
        if not 0 < part.happened.sum() < len(part.happened):
            raise NothingToLearn(f"{question.name}: of a day's outcomes all are the same, so nothing tells them apart")
    tried = _fit(question, earlier, seed, effort)
    scores = _scores(tried, later)
    calibrated = calibration.fitted(scores, later.happened)
    # On the rows as they are kept; only what is predicted of all is made up for those that are not.
    figures = _figures(calibrated.probabilities(scores), later.happened)
    figures |= {"rows": float(len(earlier.happened)), "judged": float(len(later.happened))}
    calibrated = calibrated.of_all(question.kept)
    final = _fit(question, _part(rows, everything, groups, chosen), seed, effort)
    return TrainedModel(question.name, question.names, final, calibrated, figures)


def _scores(members: tuple[Member, ...], part: _Part) -> Numbers:
    found: Numbers = np.zeros(len(part.happened))
    for member in members:
        found += member.weight * _score(member.model, part.rows)
    return found


def _score(model: trees.Trees | Logistic, rows: NDArray[np.float32]) -> Numbers:
    return model.log_odds(rows) if isinstance(model, Logistic) else trees.log_odds(model.read(), rows)


def _grouped(rows: Rows) -> NDArray[np.int64]:
    """Of each row the number of its shopper and day."""
    days = rows.days - rows.days.min()
    _, found = np.unique(days * (rows.shoppers.max() + 1) + rows.shoppers, return_inverse=True)
    return found.astype(np.int64)


def _sample(groups: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Which rows are learnt from: all, or those of some groups, drawn whole."""
    if len(groups) <= MOST_ROWS:
        return np.ones(len(groups), dtype=bool)
    drawn = np.random.default_rng(seed).random(int(groups.max()) + 1) < MOST_ROWS / len(groups)
    found: NDArray[np.bool_] = drawn[groups]
    return found


def _part(rows: Rows, everything: NDArray[np.float32], groups: NDArray[np.int64], chosen: NDArray[np.bool_]) -> _Part:
    # A ranking wants a group's rows next to each other.
    place = np.flatnonzero(chosen)
    place = place[np.argsort(groups[place], kind="stable")]
    return _Part(everything[place], rows.happened[place], groups[place])


def _bags(part: _Part, seed: int) -> list[tuple[_Part, int]]:
    """What several models of one kind learn from, each with its seed: two halves of the shoppers' days, and two others.
    Their mean errs less than one model of all, for twice the work (decision 26)."""
    found = []
    for each in (seed, seed + 1):
        first = np.random.default_rng(each).random(int(part.groups.max()) + 1)[part.groups] < 0.5
        found += [(_Part(part.rows[half], part.happened[half], part.groups[half]), each) for half in (first, ~first)]
    return found


def _fit(question: Question, part: _Part, seed: int, effort: float) -> tuple[Member, ...]:
    """Members, each weighed so that none speaks louder than the others: their scores have the same spread."""
    models: list[trees.Trees | Logistic] = []
    rounds = max(5, int(ROUNDS * effort))
    few = question.kept < 1 or len(part.happened) < _FEW or part.happened.sum() < _FEW_OUTCOMES
    bags = [(part, seed)] if few or Learner.RANKING not in question.learners else _bags(part, seed)
    for learner in question.learners:
        if learner is Learner.TREES and few:
            models.append(trees.trained(part.rows, part.happened, max(5, int(_FEW_ROUNDS * effort)), _FEW_ROWS, seed))
        elif learner is Learner.TREES:
            models += [trees.trained(bag.rows, bag.happened, rounds, TREES, each) for bag, each in bags]
        elif learner is Learner.RANKING:
            models += [trees.trained(bag.rows, bag.happened, rounds, _RANKING, each, bag.groups) for bag, each in bags]
        else:
            step = max(1, len(part.happened) // LOGISTIC_ROWS)
            models.append(logistic.trained(part.rows[::step], part.happened[::step], LOGISTIC_PENALTY))
    step = max(1, len(part.happened) // 50_000)
    spreads = [float(_score(model, part.rows[::step]).std()) or 1.0 for model in models]
    # The first member's log-odds are the measure, so a lone model is taken as it is.
    return tuple(
        Member(model, spreads[0] / spread / len(models)) for model, spread in zip(models, spreads, strict=True)
    )


def _figures(probabilities: Numbers, happened: Numbers) -> dict[str, float]:
    share = float(happened.mean())
    base = log_loss(np.full(len(happened), share), happened)
    return {
        "auc": auc(probabilities, happened),
        "log_loss": log_loss(probabilities, happened),
        "log_loss_of_the_mean": base,
        "calibration_error": calibration_error(probabilities, happened),
        "share": share,
    }
