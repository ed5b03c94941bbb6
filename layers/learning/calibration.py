"""From a model's log-odds to a probability that can be counted on.

Platt's scaling (Platt 1999, «Probabilistic outputs for support vector machines»): p = 1 / (1 + e^-(slope · s +
intercept)), fitted on days that the model was not trained on. Two numbers instead of isotonic steps, because steps make
ties, and ties lose the order that a list of products is.
"""

from __future__ import annotations

from math import log

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from layers.learning.columns import Numbers

_LEAST_SLOPE = 1e-3
"""A slope above 0 keeps the order; a model that has it wrong is for the gate to refuse, not for this to turn over."""


class Calibration(msgspec.Struct, frozen=True):
    """Attributes:
    slope: above 0, so a larger score is a larger probability. intercept: in log-odds.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def probabilities(self, scores: Numbers) -> Numbers:
        found: Numbers = expit(self.slope * scores + self.intercept)
        return found

    def of_all(self, kept: float) -> Calibration:
        """Of all rows, where it was fitted on those in which it happened and a share of the others.

        Drawing by the outcome moves the log-odds by a constant alone (Prentice & Pyke 1979, «Logistic disease incidence
        models and case-control studies»).

        Args:
            kept: of the rows in which it did not happen, the share; above 0, at most 1.
        """
        return Calibration(self.slope, self.intercept + log(kept))


def fitted(scores: Numbers, happened: Numbers) -> Calibration:
    """The calibration of the largest likelihood.

    Args:
        scores: log-odds. happened: 0 or 1.
    """
    total = len(scores)
    if not 0 < happened.sum() < total:
        # Nothing to learn from one outcome alone.
        return Calibration()

    def loss(place: Numbers) -> tuple[float, Numbers]:
        slope, intercept = place
        logits = slope * scores + intercept
        likelihood = happened * log_expit(logits) + (1 - happened) * log_expit(-logits)
        off = expit(logits) - happened
        return -float(likelihood.sum()) / total, np.array([(off * scores).sum(), off.sum()]) / total

    best = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(_LEAST_SLOPE, None), (None, None)]
    )
    return Calibration(float(best.x[0]), float(best.x[1]))
