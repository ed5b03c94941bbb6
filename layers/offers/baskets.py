"""What the shopper's baskets come to, and where a threshold wins more near misses than it pays for passes. Pure.

A shopper's baskets are known by six quantiles. Between them they are taken as spread evenly; below the 10 % quantile
they go on as between it and the next; above the 90 % quantile they thin out exponentially, at the rate seen between
the 75 % and the 90 % quantile.

At a threshold T with a reward of worth v, a basket of b is

- a pass, if b ≥ T: it would have come there anyway, and the reward is given for nothing;
- a near miss, if T(1 - REACH) ≤ b < T: the shopper adds s = T - b with probability ATTENTION · min(1, v / s). What is
  added only for the reward is worth less to the shopper than its price, by a share taken as uniform on [0, 1]; it is
  added where that loss is smaller than v. So the nearer the goal, the likelier the last step, as is found with reward
  cards (Kivetz, Urminsky and Zheng, J. Marketing Research 43, 2006).
- out of reach, else.

ATTENTION is an assumption until the control group has measured it; `layers/offers/README.md` says how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ATTENTION = 0.5
"""Share of near misses that see and understand the offer."""

REACH = 0.25
"""Share of the threshold that anybody is expected to add."""

ATOMS = 48
"""Equally likely baskets that stand for all; more change no threshold by more than a step."""

QUANTILES = (0.10, 0.25, 0.50, 0.60, 0.75, 0.90)


@dataclass(frozen=True, slots=True)
class Baskets:
    """Quantiles of a shopper's basket totals, in the retailer's currency.

    Raises:
        ValueError: one is below the one before it, or below 0.
    """

    q10: float
    q25: float
    q50: float
    q60: float
    q75: float
    q90: float

    def __post_init__(self) -> None:
        values = self.values
        if values[0] < 0 or any(later < earlier for earlier, later in pairwise(values)):
            raise ValueError("basket quantiles must be 0 or more and rise; the statistics that gave these are wrong")

    @property
    def values(self) -> tuple[float, ...]:
        return self.q10, self.q25, self.q50, self.q60, self.q75, self.q90

    def atoms(self) -> Array:
        """`ATOMS` equally likely basket totals, rising."""
        slope = (self.q25 - self.q10) / (QUANTILES[1] - QUANTILES[0])
        lowest = max(0.0, self.q10 - slope * QUANTILES[0])
        at, tail = _places()
        inside = np.interp(at, (0.0, *QUANTILES), (lowest, *self.values))
        scale = (self.q90 - self.q75) / np.log((1 - QUANTILES[4]) / (1 - QUANTILES[5]))
        return np.where(tail > 0, self.q90 + scale * tail, inside)


@lru_cache(maxsize=1)
def _places() -> tuple[Array, Array]:
    at = (np.arange(ATOMS) + 0.5) / ATOMS
    return at, np.where(at > QUANTILES[-1], np.log((1 - QUANTILES[-1]) / (1 - at)), 0.0)


@dataclass(frozen=True, slots=True)
class Reached:
    """By threshold, in the order given.

    Attributes:
        passes: probability that the next basket reaches it anyway.
        won: probability that it is a near miss that reaches it because of the reward.
        added: expected money that those add, over all baskets.
    """

    passes: Array
    won: Array
    added: Array


def reached(atoms: Array, thresholds: Sequence[float], worth: float) -> Reached:
    """Exact over the atoms.

    Args:
        worth: of the reward to the shopper, money.
    """
    asked = np.asarray(thresholds, dtype=np.float64)[:, None]
    missing = asked - atoms[None, :]
    passes = missing <= 0
    near = (missing > 0) & (missing <= REACH * asked)
    response = np.where(near, ATTENTION * np.minimum(1.0, worth / np.where(near, missing, 1.0)), 0.0)
    return Reached(passes.mean(1), response.mean(1), (response * missing).mean(1))


@dataclass(frozen=True, slots=True)
class Threshold:
    """Attributes:
    gain: expected money of one trip. passes, won: as in `Reached`.
    """

    value: float
    gain: float
    passes: float
    won: float


def best_threshold(
    baskets: Baskets, thresholds: Sequence[float], reward: float, cost: float, basket_margin: float
) -> Threshold | None:
    """The threshold with the largest expected gain of one trip, the lowest of equals; None if none gains anything.

    gain(T) = Σ_b P(b) won(b, T) (basket_margin (T - b) - cost) - P(b ≥ T) cost

    Args:
        reward: what it is worth to the shopper. cost: what it costs who gives it; of a game, prize times chance.
        basket_margin: what one more unit of currency in the basket brings.
    """
    if not thresholds:
        return None
    found = reached(baskets.atoms(), thresholds, reward)
    gain = basket_margin * found.added - cost * (found.passes + found.won)
    place = int(np.argmax(gain))
    if gain[place] <= 0:
        return None
    return Threshold(float(thresholds[place]), float(gain[place]), float(found.passes[place]), float(found.won[place]))
