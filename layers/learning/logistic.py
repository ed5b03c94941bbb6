"""Logistic regression on standardised features, for what is nearly additive and for few rows.

Each feature enters as its signed logarithm (counts and money are skewed), standardised, and 0 where it is not known,
beside an indicator that it is not. Ridge penalty, by L-BFGS: convex, so the result depends on nothing but the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from layers.learning.columns import Numbers


class Logistic(msgspec.Struct, frozen=True, tag="logistic"):
    """Attributes:
    means, scales: of the signed logarithms. coefficients: first of the features, then of their indicators.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def log_odds(self, rows: NDArray[np.float32]) -> Numbers:
        """Args:
        rows: by the features in the order of training.
        """
        found: Numbers = _standard(rows, self.means, self.scales) @ np.array(self.coefficients) + self.intercept
        return found

    def contributions(self, rows: NDArray[np.float32]) -> Numbers:
        """What each feature adds to the log-odds, its indicator with it; rows by features."""
        parts = _standard(rows, self.means, self.scales) * np.array(self.coefficients)
        features = len(self.means)
        found: Numbers = parts[:, :features] + parts[:, features:]
        return found


def _logarithm(rows: NDArray[np.float32]) -> Numbers:
    wide = rows.astype(np.float64)
    found: Numbers = np.sign(wide) * np.log1p(np.abs(wide))
    return found


def _standard(rows: NDArray[np.float32], means: Sequence[float], scales: Sequence[float]) -> Numbers:
    logarithms = _logarithm(rows)
    unknown = np.isnan(logarithms)
    standard = np.where(unknown, 0.0, (logarithms - np.array(means)) / np.array(scales))
    return np.hstack([standard, unknown.astype(np.float64)])


def trained(rows: NDArray[np.float32], happened: Numbers, penalty: float) -> Logistic:
    """The regression of the largest penalised likelihood.

    Args:
        penalty: of the squared coefficients, beside the mean log-likelihood.
    """
    logarithms = _logarithm(rows)
    known = ~np.isnan(logarithms)
    count = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, logarithms, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, logarithms - means, 0.0) ** 2).sum(axis=0) / count)
    scales = np.where(spread > 0, spread, 1.0)
    features = _standard(rows, list(means), list(scales))
    total = len(happened)

    def loss(place: Numbers) -> tuple[float, Numbers]:
        logits = features @ place[:-1] + place[-1]
        likelihood = happened * log_expit(logits) + (1 - happened) * log_expit(-logits)
        off = (expit(logits) - happened) / total
        slope = features.T @ off + penalty * place[:-1]
        value = -float(likelihood.sum()) / total + penalty / 2 * float(place[:-1] @ place[:-1])
        return value, np.append(slope, off.sum())

    best = minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    *coefficients, intercept = map(float, best.x)
    return Logistic(tuple(map(float, means)), tuple(map(float, scales)), tuple(coefficients), intercept)
