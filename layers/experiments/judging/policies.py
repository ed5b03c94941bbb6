"""Policies that can be judged: for each visit, a probability of each of its alternatives. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from layers.experiments.judging.logged import ARM_FEATURES, NOTHING, Floats, Logged

Policy = Callable[[Logged], Floats]
"""(n, a) probabilities, each row adding up to 1, 0 where there is no such alternative."""

_FEATURE = {name: place for place, name in enumerate(ARM_FEATURES)}


class UnknownPolicy(ValueError):
    """The message lists those there are."""


def nothing(logged: Logged) -> Floats:
    """Nobody is offered anything."""
    found = np.zeros(logged.there.shape)
    found[:, NOTHING] = 1.0
    return found


def ran(logged: Logged) -> Floats:
    """What ran."""
    return logged.probabilities


def evenly(logged: Logged) -> Floats:
    """Each alternative, nothing included, as often as any other."""
    return np.asarray(logged.there / logged.there.sum(axis=1, keepdims=True), dtype=np.float64)


def _most(feature: str, sign: float) -> Policy:
    def policy(logged: Logged) -> Floats:
        values = np.where(logged.there, sign * logged.arms[:, :, _FEATURE[feature]], -np.inf)
        # Nothing is only left where there is nothing else.
        values[:, NOTHING] = np.where(logged.there.sum(axis=1) > 1, -np.inf, 0.0)
        found = np.zeros(logged.there.shape)
        found[logged.rows, values.argmax(axis=1)] = 1.0
        return found

    return policy


def everywhere(share: float, policy: Policy) -> Policy:
    """A policy, for a share of the visits; nothing for the others."""

    def mixed(logged: Logged) -> Floats:
        return share * policy(logged) + (1 - share) * nothing(logged)

    return mixed


POLICIES: dict[str, Policy] = {
    "nothing": nothing,
    "ran": ran,
    "evenly": evenly,
    "best": _most("expected_margin", 1.0),
    "cheapest": _most("generosity", -1.0),
    "most_generous": _most("generosity", 1.0),
}
"""By the name that the command line takes. `best` offers what `layers.offers` expects most of, without exploring."""


def policy_named(name: str) -> Policy:
    """`best`, or `best:0.5` for half of the visits.

    Raises:
        UnknownPolicy: there is none of that name, or the share is not from 0 to 1.
    """
    plain, _, share = name.partition(":")
    if plain not in POLICIES:
        raise UnknownPolicy(f"there is no policy {plain!r}; there is {', '.join(sorted(POLICIES))}")
    if not share:
        return POLICIES[plain]
    try:
        part = float(share)
    except ValueError:
        part = -1.0
    if not 0 <= part <= 1:
        raise UnknownPolicy(f"{name!r}: after the colon stands a share of the visits, 0 to 1, such as {plain}:0.5")
    return everywhere(part, POLICIES[plain])
