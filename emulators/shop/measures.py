"""What is measured of the live day. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank).

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def recall(recommended: Sequence[str], bought: Collection[str], at: int) -> float:
    """The share of the distinct products bought that are among the first `at` recommended ones.

    Source: recall@K as in next-basket recommendation, e.g. Li et al., «A Next Basket Recommendation Reality Check»,
    ACM TOIS 2023. An order of more than `at` products cannot reach 1.

    Raises:
        ValueError: nothing was bought.
    """
    wanted = set(bought)
    if not wanted:
        raise ValueError("nothing was bought, so nothing can be recalled")
    return len(wanted & set(recommended[:at])) / len(wanted)


def mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else None
