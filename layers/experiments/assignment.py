"""Who is in which group, and what is drawn: stable hashes instead of random numbers. Pure.

A draw depends on nothing but its names, so a repeated run draws the same, a decision is replayed bit for bit,
and no assignment needs to be kept anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

_SCALE = 2.0**-53
_BETWEEN = b"\x1f"


def uniform(*names: str) -> float:
    """A number in [0, 1), evenly spread over what is named: 53 bits of BLAKE2b, as a double holds them.

    Raises:
        ValueError: without a name, or where a name holds the character that stands between names.
    """
    parts = [name.encode() for name in names]
    if not parts or any(_BETWEEN in part for part in parts):
        raise ValueError("a draw needs names, none of which holds the unit separator; else two draws could be one")
    return (int.from_bytes(blake2b(_BETWEEN.join(parts), digest_size=8).digest(), "big") >> 11) * _SCALE


def in_control(retailer_id: str, shopper: str, share: float) -> bool:
    """Whether a shopper is in the retailer's permanent control group.

    Nested: a larger share keeps every member and adds others, a smaller one keeps a part; nobody who stays goes through
    the other treatment. Independent of every other draw.

    Raises:
        ValueError: the share is not from 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a control group of share {share} is none; give 0 to 1, for instance 0.05")
    return uniform("control", retailer_id, shopper) < share


def group_propensity(control: bool, share: float) -> float:
    """The probability with which a shopper came into the group that it is in."""
    return share if control else 1.0 - share


def explored(alternatives: int, best: int, epsilon: float) -> tuple[float, ...]:
    """The probability of each alternative under epsilon-greedy: the best with 1 - epsilon, and epsilon spread evenly
    over all, the best included. So each one's is at least epsilon / alternatives, which an estimate of any other
    policy needs (positivity).

    Raises:
        ValueError: no such best alternative, or an epsilon that is not from 0 to 1.
    """
    if not 0 <= best < alternatives or not 0.0 <= epsilon <= 1.0:
        raise ValueError(f"alternative {best} of {alternatives} at epsilon {epsilon} cannot be explored")
    even = epsilon / alternatives
    return tuple(even + (1.0 - epsilon if place == best else 0.0) for place in range(alternatives))


def drawn(probabilities: Sequence[float], at: float) -> int:
    """Which alternative a number in [0, 1) draws.

    Raises:
        ValueError: the probabilities do not add up to 1.
    """
    if abs(sum(probabilities) - 1.0) > 1e-9 or min(probabilities) < 0:
        raise ValueError("the probabilities of a draw must be 0 or more and add up to 1")
    reached = 0.0
    for place, probability in enumerate(probabilities):
        reached += probability
        if at < reached:
            return place
    # Rounding may leave the sum a hair below 1.
    return max(place for place, probability in enumerate(probabilities) if probability > 0)
