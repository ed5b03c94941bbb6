"""How often the estimators are right where the truth is known: bias, error and coverage. Pure, with a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from layers.experiments.judging.estimators import judge
from layers.experiments.judging.logged import Floats, Logged
from layers.experiments.judging.policies import policy_named
from layers.experiments.judging.shop import Shop, shop, visited

POLICIES = ("nothing", "best", "most_generous", "evenly")
METHODS = ("dr", "ips", "snips", "dm")

AS_IT_IS = "as logged"
NO_REGRESSION = "no regression (q = 0)"
WRONG_PROPENSITIES = "propensities logged wrong, q right"
SITUATIONS = (AS_IT_IS, NO_REGRESSION, WRONG_PROPENSITIES)
"""The second and the third show what «doubly robust» means: either half may be wrong, not both."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One method, policy and situation, over all repetitions; amounts are money a visit.

    Attributes:
        truth: what the policy is really worth. bias: mean estimate minus that. bias_error: standard error of it.
        error: root mean squared. covered: share of 95 % intervals that held the truth; None without intervals.
        effective: mean effective sample size.
    """

    situation: str
    policy: str
    method: str
    truth: float
    bias: float
    bias_error: float
    error: float
    covered: float | None
    effective: float


def _spoilt(logged: Logged) -> Logged:
    """As if nobody had logged the exploration: all alternatives equally likely."""
    even = np.asarray(logged.there / logged.there.sum(axis=1, keepdims=True), dtype=np.float64)
    return Logged(logged.arms, logged.visits, logged.there, even, logged.chosen, logged.rewards, logged.shoppers)


def _situated(situation: str, shop: Shop, logged: Logged, kinds: np.ndarray) -> tuple[Logged, Floats | None]:
    if situation == NO_REGRESSION:
        return logged, np.zeros(logged.there.shape)
    if situation == WRONG_PROPENSITIES:
        return _spoilt(logged), shop.worth[kinds]
    return logged, None


def trials(repetitions: int, visits: int, seed: int, progress: Callable[[int], None] | None = None) -> list[Trial]:
    """Args:
    visits: of each repetition. progress: told how many repetitions are done.
    """
    truth = shop(seed=seed)
    found: dict[tuple[str, str, str], list[tuple[float, bool | None, float]]] = {}
    for repetition in range(repetitions):
        rng = np.random.default_rng([seed, repetition])
        logged, kinds = visited(truth, visits, rng)
        for situation in SITUATIONS:
            given, expected = _situated(situation, truth, logged, kinds)
            for name in POLICIES:
                judged = judge(given, policy_named(name)(given), expected)
                value = truth.true_value(policy_named(name)(truth.logged))
                for method in METHODS:
                    one = judged.estimates[method]
                    inside = None if one.low is None or one.high is None else one.low <= value <= one.high
                    found.setdefault((situation, name, method), []).append((one.value, inside, judged.effective))
        if progress is not None:
            progress(repetition + 1)
    return list(_summed(found, truth))


def _summed(found: dict[tuple[str, str, str], list[tuple[float, bool | None, float]]], truth: Shop) -> Iterator[Trial]:
    for (situation, name, method), several in found.items():
        value = truth.true_value(policy_named(name)(truth.logged))
        off = np.array([estimate - value for estimate, _, _ in several])
        inside = [one for _, one, _ in several if one is not None]
        yield Trial(
            situation,
            name,
            method,
            value,
            float(off.mean()),
            float(off.std(ddof=1) / len(off) ** 0.5) if len(off) > 1 else 0.0,
            float(np.sqrt(np.square(off).mean())),
            sum(inside) / len(inside) if inside else None,
            float(np.mean([effective for _, _, effective in several])),
        )
