"""How good predictions are. Pure; each formula as it is usually printed, so that a stranger's scorer agrees.

Lists are judged against one basket each; intervals come from drawing shoppers again, because a shopper's rows hang
together and a row is no independent observation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from layers.learning.columns import Numbers

DRAWS = 2000


def recall_at(best_first: Sequence[str], basket: Collection[str], many: int) -> float:
    """Share of the basket that the first `many` hold; the basket has at least one."""
    return len(set(best_first[:many]) & set(basket)) / len(set(basket))


def ndcg_at(best_first: Sequence[str], basket: Collection[str], many: int) -> float:
    """Discounted cumulative gain, 1 / log2(place + 1) a hit, over the best possible (Järvelin & Kekäläinen 2002)."""
    wanted = set(basket)
    gain = sum(1 / np.log2(place + 2) for place, product in enumerate(best_first[:many]) if product in wanted)
    best = sum(1 / np.log2(place + 2) for place in range(min(many, len(wanted))))
    return float(gain / best)


def auc(scores: Numbers, happened: Numbers, weights: Numbers | None = None) -> float:
    """Probability that what happened has a larger score than what did not, ties counting half; NaN for one outcome
    alone.

    Args:
        weights: of the rows; without, each counts once.
    """
    yes = happened > 0.5
    if yes.all() or not yes.any():
        return float("nan")
    if weights is None:
        ranks = rankdata(scores)
        positives = int(yes.sum())
        return float((ranks[yes].sum() - positives * (positives + 1) / 2) / (positives * (len(yes) - positives)))
    return _Ties.of(scores).auc(yes, weights)


@dataclass(frozen=True, slots=True)
class _Ties:
    """Scores as places among the different values: sorted once, however often the weights change."""

    place: NDArray[np.int64]
    many: int

    @classmethod
    def of(cls, scores: Numbers) -> _Ties:
        values, place = np.unique(scores, return_inverse=True)
        return cls(place, len(values))

    def auc(self, yes: NDArray[np.bool_], weights: Numbers) -> float:
        positive = np.bincount(self.place, weights * yes, self.many)
        negative = np.bincount(self.place, weights * ~yes, self.many)
        below = np.cumsum(negative) - negative
        of = positive.sum() * negative.sum()
        return float((positive * (below + negative / 2)).sum() / of) if of else float("nan")


def log_loss(probabilities: Numbers, happened: Numbers) -> float:
    """Mean of -ln of the probability that was given to what came, kept 1e-6 away from 0 and 1."""
    p = np.clip(probabilities, 1e-6, 1 - 1e-6)
    return float(-(happened * np.log(p) + (1 - happened) * np.log1p(-p)).mean())


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows with about the same probability: the mean of it, and the share in which it happened."""

    rows: int
    predicted: float
    happened: float


def reliability(probabilities: Numbers, happened: Numbers, bins: int = 10) -> list[Bin]:
    """Bins of equal size, by probability."""
    order = np.argsort(probabilities, kind="stable")
    return [
        Bin(len(part), float(probabilities[part].mean()), float(happened[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_error(probabilities: Numbers, happened: Numbers, bins: int = 10) -> float:
    """Mean distance of predicted and happened over bins of equal size (expected calibration error)."""
    parts = reliability(probabilities, happened, bins)
    return sum(part.rows * abs(part.predicted - part.happened) for part in parts) / len(probabilities)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the 2.5 % and 97.5 % quantiles of the same figure on samples drawn again."""

    value: float
    low: float
    high: float


def mean_interval(values: Numbers, seed: int = 1, draws: int = DRAWS) -> Interval:
    """Of the mean of one value a shopper, by the bootstrap's percentiles (Efron 1979)."""
    chance = np.random.default_rng(seed)
    means = np.array([values[chance.integers(0, len(values), len(values))].mean() for _ in range(draws)])
    return Interval(float(values.mean()), *map(float, np.quantile(means, [0.025, 0.975])))


def auc_intervals(
    scores: Sequence[Numbers], happened: Numbers, groups: Numbers, seed: int = 1, draws: int = 200
) -> tuple[list[Interval], list[Interval]]:
    """Of each model's AUC, and of the first model's minus each other's on the same draws.

    Args:
        scores: one array a model. groups: of each row, the number of its shopper from 0.
    """
    chance = np.random.default_rng(seed)
    shoppers = int(groups.max()) + 1
    place = groups.astype(int)
    yes = happened > 0.5
    ties = [_Ties.of(score) for score in scores]
    found = np.empty((draws, len(scores)))
    for draw in range(draws):
        weights = np.bincount(chance.integers(0, shoppers, shoppers), minlength=shoppers)[place].astype(float)
        found[draw] = [each.auc(yes, weights) for each in ties]
    values = [auc(score, happened) for score in scores]
    bounds = np.nanquantile(found, [0.025, 0.975], axis=0)
    gains = np.nanquantile(found[:, :1] - found, [0.025, 0.975], axis=0)
    own = [Interval(value, float(bounds[0, at]), float(bounds[1, at])) for at, value in enumerate(values)]
    more = [Interval(values[0] - value, float(gains[0, at]), float(gains[1, at])) for at, value in enumerate(values)]
    return own, more[1:]
