"""What a price cut adds to a probability of purchase. Pure."""

from __future__ import annotations

import math


def promoted(probability: float, cut: float, elasticity: float) -> float:
    """The probability of purchase at a price that is `cut` lower.

    Purchases are taken to come at a rate, λ = -ln(1 - p), which answers to the price with constant elasticity:
    λ' = λ (1 - cut)^e, so p' = 1 - (1 - p)^((1 - cut)^e). For a small p that is p (1 - cut)^e; it never exceeds 1,
    and is never below p.

    Args:
        probability: 0 to 1, at the usual price. cut: share of the price, 0 to 1; at 1 the product is given away, which
            is taken as a cut of 99 %, since no elasticity was ever measured there.
        elasticity: at most 0.

    Raises:
        ValueError: out of range.
    """
    if not (0.0 <= probability <= 1.0 and 0.0 <= cut <= 1.0 and elasticity <= 0.0):
        raise ValueError(
            f"no uplift of a probability {probability}, a cut {cut} and an elasticity {elasticity}: the first two are "
            "from 0 to 1, the third at most 0"
        )
    if probability in (0.0, 1.0):
        return probability
    factor = (1.0 - min(cut, 0.99)) ** elasticity
    return -math.expm1(factor * math.log1p(-probability))


def margin_of(before: float, after: float, margin: float, generosity: float) -> float:
    """Expected incremental margin of one trip: Δp (margin - generosity) - p0 generosity.

    Who would have bought anyway takes the generosity too, which is the second term.

    Args:
        before, after: probability of purchase without and with the offer. margin, generosity: of one unit, money.
    """
    return (after - before) * (margin - generosity) - before * generosity
