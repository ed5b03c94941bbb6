"""From rows of the models' tables to what offers are worked out from. Pure; who reads the rows owns the statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from layers.campaigns.model import Campaign, HouseRules
from layers.offers.baskets import Baskets
from layers.offers.elasticity import PriceResponse, estimated, shrunk
from layers.offers.model import BudgetPrices, Setting, ShopperView, Wanted

LEAST_TRIPS = 5
"""Trips below which the quantiles of a shopper's baskets are mere samples, and nothing asks for a basket total."""

_QUANTILES = ("q10", "q25", "q50", "q60", "q75", "q90")

Row = Mapping[str, Any]


def setting_of(
    retailer_id: str,
    at: datetime,
    campaigns: Sequence[Campaign],
    rules: HouseRules,
    prices: Iterable[Row],
    responses: Iterable[Row],
    budget_prices: BudgetPrices | None = None,
) -> Setting:
    """The setting of a run.

    Args:
        prices: rows of `product` and `price`, the usual one of a unit.
        responses: rows of the model `price_responses`.
    """
    usual = {str(row["product"]): float(row["price"]) for row in prices if row["price"] is not None}
    elasticities = shrunk(estimated(PriceResponse.of(row) for row in responses))
    return Setting(retailer_id, at, tuple(campaigns), rules, usual, elasticities, budget_prices or BudgetPrices())


def view_of(shopper: str, statistics: Row, wanted: Sequence[Wanted]) -> ShopperView:
    """One shopper.

    Args:
        statistics: trips, trips_28, discount_share and the quantiles, as a row of `shopper_statistics` has them.
    """
    known = int(statistics["trips"]) >= LEAST_TRIPS
    return ShopperView(
        shopper,
        wanted,
        Baskets(*(max(0.0, float(statistics[name])) for name in _QUANTILES)) if known else None,
        float(statistics["discount_share"] or 0.0),
        int(statistics["trips_28"]) / 4,
    )
