"""How purchases answer to prices: own-price elasticities by category, estimated and shrunk. Pure.

Estimated from price variation within products: ln(units) on ln(price), each product measured from its own mean, so that
what sells well because it is cheap all year round says nothing. Shrunk towards the pooled elasticity of the whole
range, because most categories have too little variation to say anything by themselves:

    b_i ~ Normal(e_i, s_i²)      e_i ~ Normal(POOLED, t²)
    e_i | b_i = (s_i² POOLED + t² b_i) / (s_i² + t²)

(Efron and Morris, JASA 70, 1975); t² is where Σ (b_i - POOLED)² / (s_i² + t²) equals the number of categories (Paule
and Mandel, J. Res. NBS 87, 1982), 0 where it is below that already.

What this is not: causal. Prices that fall when demand rises (or promotions put where demand is) bias it, and retailers
do both. The experiment's own answer is `layers.experiments.judging`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

POOLED = -1.13
"""Own-price elasticity of all grocery together, on Complete Journey's year of prices."""

BOUNDS = (-4.0, -0.2)
"""What is believed of a category at most: beyond lie effects of stocking up and of fashion, and demand that rises with
the price."""

LEAST_ROWS = 30
"""Product weeks below which a category says nothing."""

LEAST_VARIATION = 0.02
"""Standard deviation of ln(price) within products below which prices did not vary but for rounding; on Complete Journey
such categories gave slopes of 10^14."""


@dataclass(frozen=True, slots=True)
class PriceResponse:
    """Sums over the product weeks of one category, each logarithm measured from its product's mean.

    Attributes:
        rows: product weeks. products: how many products they are of.
        sxx, sxy, syy: sums of squares and products of ln(price) (x) and ln(units) (y).
    """

    category: str
    rows: int
    products: int
    sxx: float
    sxy: float
    syy: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> PriceResponse:
        """A row of the table `price_responses`."""
        sums = (float(row[name]) for name in ("sxx", "sxy", "syy"))
        return cls(str(row["category"]), int(row["product_weeks"]), int(row["products"]), *sums)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Attributes:
    error: standard error.
    """

    category: str
    elasticity: float
    error: float


@dataclass(frozen=True, slots=True)
class Elasticities:
    """Attributes:
    spread: t, the standard deviation of elasticities between categories.
    """

    by_category: Mapping[str, float] = field(default_factory=dict)
    pooled: float = POOLED
    spread: float = 0.0

    def of(self, category: str | None) -> float:
        """The category's, the pooled one where nothing is known of it."""
        return self.by_category.get(category or "", self.pooled)


def estimated(responses: Iterable[PriceResponse]) -> list[Estimate]:
    """Least squares within products; categories without enough rows or any price variation are left out."""
    found = []
    for response in responses:
        freedom = response.rows - response.products - 1
        if response.rows < LEAST_ROWS or freedom < 1 or response.sxx < response.rows * LEAST_VARIATION**2:
            continue
        slope = response.sxy / response.sxx
        residual = max(0.0, response.syy - slope * response.sxy)
        error = math.sqrt(residual / freedom / response.sxx)
        if math.isfinite(slope) and math.isfinite(error) and error > 0:
            found.append(Estimate(response.category, slope, error))
    return found


def between(estimates: Iterable[Estimate], pooled: float = POOLED) -> float:
    """t²: how much elasticities differ between categories beyond their errors, by Paule and Mandel."""
    known = list(estimates)

    def excess(variance: float) -> float:
        return sum((e.elasticity - pooled) ** 2 / (e.error**2 + variance) for e in known) - len(known)

    if not known or excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, max((e.elasticity - pooled) ** 2 for e in known)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def shrunk(estimates: Iterable[Estimate], pooled: float = POOLED) -> Elasticities:
    """Every category's elasticity, drawn towards the pooled one by as much as it is uncertain, and bounded."""
    known = list(estimates)
    variance = between(known, pooled)
    low, high = BOUNDS
    found = {}
    for one in known:
        own = variance / (variance + one.error**2)
        found[one.category] = min(high, max(low, own * one.elasticity + (1 - own) * pooled))
    return Elasticities(found, pooled, math.sqrt(variance))
