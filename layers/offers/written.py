"""A run's setting as it is kept, so that every shard and whoever explains works from the very same. Pure.

JSON, without a shopper: campaigns, house rules, prices of the products that are promoted, elasticities, budget prices,
and what the budgets were expected to be used for when those were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from layers.campaigns.model import Campaign, HouseRules
from layers.offers.elasticity import POOLED, Elasticities
from layers.offers.model import BudgetPrices, Setting

FORMAT = 1


class UnreadableSetting(ValueError):
    """Kept by code that knew other fields; the run must be planned anew."""


class BudgetUse(msgspec.Struct, frozen=True):
    """Of one budget, a week, by all shoppers.

    Attributes:
        budget: `money`, `count` or `brand`. of: the campaign's id, or the brand.
        expected: at these prices. upper: the 95 % bound on it. limit: what is left of it, as a weekly rate.
        price: what a unit of it costs an offer.
    """

    budget: str
    of: str
    expected: float
    upper: float
    limit: float
    price: float


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    format: int
    retailer: str
    at: datetime
    campaigns: tuple[Campaign, ...]
    rules: HouseRules
    prices: dict[str, float]
    elasticities: dict[str, float] = {}
    pooled: float = POOLED
    spread: float = 0.0
    money: dict[str, float] = {}
    count: dict[str, float] = {}
    brand: dict[str, float] = {}
    sample: int = 0
    uses: tuple[BudgetUse, ...] = ()


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(_Written)


def write_setting(setting: Setting, uses: Sequence[BudgetUse] = (), sample: int = 0) -> str:
    """The same setting is the same text.

    Args:
        sample: shoppers on whom the budgets' prices were found.
    """
    budget, elasticities = setting.budget_prices, setting.elasticities
    return _encoder.encode(
        _Written(
            format=FORMAT,
            retailer=setting.retailer_id,
            at=setting.at,
            campaigns=tuple(setting.campaigns),
            rules=setting.rules,
            prices=_plain(setting.prices),
            elasticities=_plain(elasticities.by_category),
            pooled=elasticities.pooled,
            spread=elasticities.spread,
            money=_plain(budget.money),
            count=_plain(budget.count),
            brand=_plain(budget.brand),
            sample=sample,
            uses=tuple(uses),
        )
    ).decode()


def _plain(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def read_setting(text: str) -> Setting:
    """Raises:
    UnreadableSetting: see there.
    """
    found = _read(text)
    return Setting(
        found.retailer,
        found.at,
        found.campaigns,
        found.rules,
        found.prices,
        Elasticities(found.elasticities, found.pooled, found.spread),
        BudgetPrices(found.money, found.count, found.brand),
    )


def read_uses(text: str) -> tuple[int, tuple[BudgetUse, ...]]:
    """On how many shoppers the budgets' prices were found, and what each budget was expected to be used for.

    Raises:
        UnreadableSetting: see there.
    """
    found = _read(text)
    return found.sample, found.uses


def _read(text: str) -> _Written:
    try:
        found = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise UnreadableSetting(f"the run's setting cannot be read ({error}); plan the run anew") from None
    if found.format != FORMAT:
        raise UnreadableSetting(f"the run's setting is of format {found.format}, and this code reads {FORMAT}")
    return found
