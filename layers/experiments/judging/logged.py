"""What was decided, as arrays: every visit's alternatives, what was drawn, how likely each was, what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

NOTHING = 0
"""The place of «nothing is offered» among the alternatives: always there, always the first."""

ARM_FEATURES = (
    "offered",
    "generosity",
    "asks_total",
    "probability",
    "uplift",
    "expected_margin",
    "expected_cost",
)
"""What is known of an alternative, all 0 for nothing."""

VISIT_FEATURES = ("probability", "spent_before", "visits_before")
"""What is known of a visit before anything is shown."""

NAMES = (*ARM_FEATURES, *(f"visit_{name}" for name in VISIT_FEATURES), "offered_and_spent_before", "constant")


@dataclass(frozen=True, slots=True)
class Logged:
    """n visits with up to a alternatives each.

    Attributes:
        arms: (n, a, len(ARM_FEATURES)). visits: (n, len(VISIT_FEATURES)).
        there: (n, a): whether there is such an alternative; the first one always is.
        probabilities: (n, a): with which the policy that ran chose each, the control group counted as nothing. They
            add up to 1.
        chosen: (n,): place of the alternative that was drawn.
        rewards: (n,): what came of it, money.
        shoppers: (n,): one number a shopper; visits of one are not independent.

    Raises:
        ValueError: shapes that do not fit, or what was chosen is not there.
    """

    arms: Floats
    visits: Floats
    there: Booleans
    probabilities: Floats
    chosen: Integers
    rewards: Floats
    shoppers: Integers

    def __post_init__(self) -> None:
        n, a = self.there.shape
        shapes = (self.arms.shape[:2], self.probabilities.shape, (len(self.chosen), a), (len(self.rewards), a))
        if any(shape != (n, a) for shape in shapes) or len(self.shoppers) != n or len(self.visits) != n:
            raise ValueError("the arrays of what was logged do not fit together: one row a visit in each")
        if n and not (self.there[:, NOTHING].all() and self.there[np.arange(n), self.chosen].all()):
            raise ValueError("a visit chose an alternative that it did not have")

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def rows(self) -> Integers:
        return np.arange(len(self), dtype=np.int64)

    def features(self) -> Floats:
        """(n, a, len(NAMES)): of every visit with every alternative, for the reward's regression."""
        n, a = self.there.shape
        visits = np.broadcast_to(self.visits[:, None, :], (n, a, self.visits.shape[1]))
        offered = self.arms[:, :, :1] * self.visits[:, None, 1:2]
        return np.concatenate([self.arms, visits, offered, np.ones((n, a, 1))], axis=2)

    def some(self, places: Integers) -> Logged:
        """The visits at these places, of which one may stand several times."""
        return Logged(
            self.arms[places],
            self.visits[places],
            self.there[places],
            self.probabilities[places],
            self.chosen[places],
            self.rewards[places],
            self.shoppers[places],
        )
