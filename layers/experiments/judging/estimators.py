"""What a policy is worth, estimated four ways from what another one decided. Pure.

With w = π(a|x) / μ(a|x), the policy judged over the one that ran, and q(x, a) a regression of the reward:

- DM, direct method: the mean of Σ_a π(a|x) q(x, a). As biased as the regression.
- IPS, inverse propensity scoring: the mean of w r. Unbiased where μ > 0 wherever π > 0; its variance is the weights'.
- SNIPS: Σ w r / Σ w (Swaminathan and Joachims, NeurIPS 2015). Biased by less than its error, and steadier.
- DR, doubly robust: DM plus the mean of w (r - q) (Robins, Rotnitzky and Zhao, JASA 89, 1994; Dudík, Langford and Li,
  ICML 2011). Unbiased if either the propensities or the regression are right, and with both it has the least variance.

q is fitted on other shoppers than it is used for (five folds), so that it cannot flatter itself (Chernozhukov et al.,
The Econometrics Journal 21, 2018). Errors are by shopper: the visits of one are added up first. Intervals are normal,
at 95 %. The effective sample size is Kish's, (Σ w)² / Σ w².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layers.experiments.judging.logged import Floats, Integers, Logged

Z = 1.959964
FOLDS = 5
RIDGE = 1e-3

LEAST_EFFECTIVE = 200
"""Effective visits below which an interval of the normal kind is not to be believed."""

LARGEST_WEIGHT = 50.0
MOST_UNSUPPORTED = 0.01


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean reward a visit, money; `low` and `high` are the 95 % interval, None where the method has none to give."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Attributes:
    visits, shoppers: how many were judged on. effective: of the visits, by the weights.
    largest_weight: of a single visit.
    unsupported: share of the policy's choices that the one that ran never made: of these nothing is known.
    estimates: by method, `dr` first to be read. ran: the mean reward of what ran.
    gain: DR of the policy minus what ran, paired by visit.
    warnings: what a reader must know before believing any of it.
    """

    visits: int
    shoppers: int
    effective: float
    largest_weight: float
    unsupported: float
    estimates: dict[str, Estimate]
    ran: Estimate
    gain: Estimate
    warnings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `cannot tell`, or `not to be judged` where a warning says that the data do not bear it."""
        if self.warnings:
            return "not to be judged"
        assert self.gain.low is not None and self.gain.high is not None
        return "better" if self.gain.low > 0 else "worse" if self.gain.high < 0 else "cannot tell"


def folds_of(shoppers: Integers, folds: int = FOLDS) -> Integers:
    """A shopper's visits are all in one fold."""
    _, numbered = np.unique(shoppers, return_inverse=True)
    return np.asarray(numbered % folds, dtype=np.int64)


def regressed(logged: Logged) -> Floats:
    """q: (n, a) expected rewards, by ridge regression fitted on the other folds' shoppers."""
    features = logged.features()
    seen = features[logged.rows, logged.chosen]
    fold = folds_of(logged.shoppers)
    scale = seen.std(axis=0)
    scale[scale == 0] = 1.0
    found = np.zeros(logged.there.shape)
    for number in range(FOLDS):
        held = fold == number
        if not held.any():
            continue
        fitted = _ridge(seen[~held] / scale, logged.rewards[~held])
        found[held] = features[held] / scale @ fitted
    return np.where(logged.there, found, 0.0)


def _ridge(features: Floats, rewards: Floats) -> Floats:
    n, d = features.shape
    if not n:
        return np.zeros(d)
    gram = features.T @ features / n + RIDGE * np.eye(d)
    return np.asarray(np.linalg.solve(gram, features.T @ rewards / n))


def estimate_of(influence: Floats, shoppers: Integers) -> Estimate:
    """The mean of one number a visit, with an error that counts each shopper once."""
    n = len(influence)
    value = float(influence.mean())
    _, numbered = np.unique(shoppers, return_inverse=True)
    sums = np.bincount(numbered, weights=influence - value)
    clusters = len(sums)
    if clusters < 2:
        return Estimate(value)
    error = float(np.sqrt(clusters / (clusters - 1) * np.square(sums).sum())) / n
    return Estimate(value, value - Z * error, value + Z * error)


def judge(logged: Logged, policy: Floats, expected: Floats | None = None) -> Judgement:
    """Args:
        policy: (n, a) probabilities of the policy to judge.
        expected: (n, a), q; without, `regressed` here.

    Raises:
        ValueError: no visit, or probabilities that do not add up to 1 or lie where there is no alternative.
    """
    if not len(logged):
        raise ValueError("nothing was logged, so nothing can be judged")
    if policy.shape != logged.there.shape or (policy < 0).any() or not np.allclose(policy.sum(axis=1), 1.0):
        raise ValueError("a policy is a probability of every alternative of every visit; each visit's add up to 1")
    if (policy[~logged.there] > 0).any():
        raise ValueError("the policy chooses an alternative that was not there")
    q = regressed(logged) if expected is None else expected
    rows, chosen = logged.rows, logged.chosen
    ran = logged.probabilities[rows, chosen]
    weights = np.divide(policy[rows, chosen], ran, out=np.zeros(len(logged)), where=ran > 0)
    unsupported = float(np.where(logged.probabilities > 0, 0.0, policy).sum() / len(logged))
    direct = (policy * q).sum(axis=1)
    robust = direct + weights * (logged.rewards - q[rows, chosen])
    mean_weight = float(weights.mean())
    effective = float(weights.sum() ** 2 / np.square(weights).sum()) if mean_weight > 0 else 0.0
    largest = float(weights.max())
    estimates = {
        "dr": estimate_of(robust, logged.shoppers),
        "ips": estimate_of(weights * logged.rewards, logged.shoppers),
        "snips": _self_normalised(weights, logged, mean_weight),
        # Its error is its bias, which no interval of the sampling shows.
        "dm": Estimate(float(direct.mean())),
    }
    return Judgement(
        visits=len(logged),
        shoppers=len(np.unique(logged.shoppers)),
        effective=effective,
        largest_weight=largest,
        unsupported=unsupported,
        estimates=estimates,
        ran=estimate_of(logged.rewards, logged.shoppers),
        gain=estimate_of(robust - logged.rewards, logged.shoppers),
        warnings=tuple(_warnings(logged, effective, largest, unsupported, int((ran <= 0).sum()))),
    )


def _self_normalised(weights: Floats, logged: Logged, mean_weight: float) -> Estimate:
    if mean_weight <= 0:
        return Estimate(0.0)
    value = float((weights * logged.rewards).mean()) / mean_weight
    around = estimate_of(weights * (logged.rewards - value) / mean_weight, logged.shoppers)
    if around.low is None or around.high is None:
        return Estimate(value)
    return Estimate(value, value + around.low - around.value, value + around.high - around.value)


def _warnings(logged: Logged, effective: float, largest: float, unsupported: float, impossible: int) -> list[str]:
    found = []
    if impossible:
        found.append(
            f"{impossible} visits chose what is logged with propensity 0: the log is wrong there, and so is all that "
            "weighs by it; find out which version of the code wrote it"
        )
    if unsupported > MOST_UNSUPPORTED:
        found.append(
            f"{unsupported:.1%} of the policy's choices were never made by what ran, so nothing is known of them "
            "(positivity); let the campaign explore them first (`exploration`), or judge a policy nearer to what ran"
        )
    if effective < LEAST_EFFECTIVE:
        found.append(
            f"the effective sample is {effective:.0f} visits, too few for an interval to be believed (at least "
            f"{LEAST_EFFECTIVE}); collect more, or judge a policy nearer to what ran"
        )
    if largest > LARGEST_WEIGHT:
        found.append(f"one visit counts as much as {largest:.0f}; the policy rests on what was drawn very seldom")
    if len(np.unique(logged.shoppers)) < 30:
        found.append("fewer than 30 shoppers: errors by shopper mean nothing yet")
    return found
