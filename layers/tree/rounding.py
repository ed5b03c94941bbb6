"""How exactly the figures in a shopper's parameters are kept: as exactly as a decision can feel, and no more. Pure.

Conditions of a tree name hundredths, and no page shows a probability: what stands behind the digits that count is bytes
that every page reads. What ranks by a figure is ranked before it is rounded. Which change is written is `likeness`.
"""

from __future__ import annotations

PREDICTED = 2
"""Digits of a predicted probability: 0.41, 0.013."""

EXPECTED = 3
"""Digits of what an offer is expected to bring: who judges policies weighs levels of one offer against each other."""


def digits(value: float, many: int) -> float:
    """The nearest number of so many digits that count; 0 and 1 stay what they are, and order is kept."""
    return float(f"{value:.{many}g}")
