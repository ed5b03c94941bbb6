"""What scoring decides from a shopper's features: threshold, generosity, and the parameters as they are stored. Pure.

The features come out of `parameters.sql`; README.md says the formula behind its probabilities. Does not own the
parameters' contract (`layers.tree.parameters`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from functions.scoring.features import Features
from layers.retailers import AbsentConsent, Retailer
from layers.stores.bigquery.port import Parameter
from layers.tree.likeness import sketch
from layers.tree.parameters import (
    MAX_CATEGORIES,
    MAX_PRODUCTS,
    MOST_BYTES,
    InvalidParameters,
    PredictedProduct,
    ShopperParameters,
    decode_parameters,
    encode_parameters,
)
from layers.tree.rounding import PREDICTED, digits

SQL = Path(__file__).with_name("parameters.sql").read_text()

PRICES = Path(__file__).with_name("prices.sql").read_text()

PRICES_DAYS = 91
"""Of purchases, whose median is the price that a promotion takes something off: a quarter, so that a week's promotion
is not taken for the price."""

SHOPPERS_A_SHARD = 2000
"""On average, until there are as many shards as there may be: a few seconds' work, so a killed one costs little."""

PAGE = 500
"""Shoppers at a time: about 3 MB."""

HALF_LIFE_TRIPS = 12.0
"""A product bought twelve trips ago weighs half as much as one bought on the last."""

PRIOR_TRIPS = 8.0
"""How many trips' weight the whole clientele has beside a shopper's own. Of 0, 2, 4, 8 and 12, on six days of the
Complete Journey data: recall@10 grows from .205 to .212, and at 8 a predicted .37 was bought .46 of the time, a
predicted .07 in .065."""

WINDOW_DAYS = 28
"""Of the clientele's trips: four whole weeks, so that each weekday counts alike."""

LATELY_DAYS = 28
"""Over which a shopper's trips a week are counted."""

RECENT_PURCHASES = 5
"""Whose median is a product's usual price: a promotion does not change it, a price that stays does."""

EXCLUDED_DEPARTMENTS = ("COUPON",)
"""Lines of a till that are no products. Fuel stays: it is bought, and predicted well."""

DISCOUNT_SEEKING = 0.10
"""From this share of the value taken off in discounts, a shopper is said to care for them."""

SHARE_OF_LIFT = 0.10
"""What of the additional sales is given away: under half of a grocer's gross margin of about a quarter."""

_STEPS = ((50.0, 5.0), (150.0, 10.0), (500.0, 25.0))
_LARGEST_STEP = 50.0
_COIN = 0.5


@dataclass(frozen=True, slots=True)
class Computed:
    """A shopper's parameters as they are stored, and the sketch by which a change is seen."""

    shopper: str
    data: bytes
    sketch: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A shopper whose parameters break their contract. The reason names the field and the rule, never a value."""

    shopper: str
    reason: str


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount, and the rule that led to it."""

    value: float
    reason: str


def binding(retailer: Retailer, now: datetime) -> dict[str, Parameter]:
    """What `parameters.sql` is bound with.

    Args:
        now: when the run was scheduled for; only what was before it counts.
    """
    return {
        "now": now,
        "oldest": now - timedelta(days=retailer.contract.transactions),
        "timezone": retailer.timezone,
        "lately": _day_before(now, retailer.timezone, LATELY_DAYS),
        "unknown_consent": retailer.absent_consent is AbsentConsent.GRANTED,
        "excluded": EXCLUDED_DEPARTMENTS,
        "half_life": HALF_LIFE_TRIPS,
        "prior": PRIOR_TRIPS,
        "window": WINDOW_DAYS,
        "recent": RECENT_PURCHASES,
        "products": MAX_PRODUCTS,
        "categories": MAX_CATEGORIES,
    }


def _day_before(now: datetime, timezone: str, days: int) -> datetime:
    zone = ZoneInfo(timezone)
    return datetime.combine(now.astimezone(zone).date() - timedelta(days=days), time(), zone).astimezone(UTC)


def version(sql: str, retailer: Retailer, now: datetime, models: str = "", setting: str = "") -> str:
    """Of a run: the moment that it was scheduled for, and a digest of the code and constants that computed it.

    A repeated run has the same version; a changed rule, other trained models or other campaigns never have one that was
    used before.

    Args:
        models: the version of those that predict. setting: the name of what offers are worked out from.
    """
    constants = (
        SHARE_OF_LIFT,
        DISCOUNT_SEEKING,
        _STEPS,
        sorted((k, str(v)) for k, v in binding(retailer, now).items()),
    )
    return f"{now:%Y%m%dT%H%M%SZ}-{sha256(f'{sql}{constants}{models}{setting}'.encode()).hexdigest()[:8]}"


def threshold(stretch: float) -> Amount:
    """The basket total that a promotion asks for: the next round step above what four baskets of ten exceed already.

    So it is a stretch, never out of reach, and a number that a page can show. Steps of 5 below 50, of 10 below 150, of
    25 below 500, else of 50.
    """
    step = next((step for below, step in _STEPS if stretch < below), _LARGEST_STEP)
    return Amount((stretch // step + 1) * step, f"the next step of {step:g} above the 60 % quantile of the orders")


def generosity(usual: float, threshold: float, discount: float, paid: float) -> Amount:
    """What is worth giving away for a basket that reaches `threshold`: a tenth of what it adds to the usual one, in
    whole halves of the currency, at least one; nothing to a shopper who buys without discounts.
    """
    value = discount + paid
    if value <= 0 or discount / value < DISCOUNT_SEEKING:
        return Amount(0.0, f"less than {DISCOUNT_SEEKING:.0%} of the value came off in discounts: buys without them")
    lift = max(0.0, threshold - usual)
    worth = max(1, int(lift * SHARE_OF_LIFT / _COIN)) * _COIN
    return Amount(worth, f"{SHARE_OF_LIFT:.0%} of what the threshold adds to the usual basket")


def shown(product: PredictedProduct) -> PredictedProduct:
    """As parameters hold it."""
    # A litre of fuel counted in millilitres costs less than the smallest coin: that is no price to show.
    price = None if product.price is None else round(product.price, 2) or None
    return PredictedProduct(product.id, felt(product.probability), price, product.category, product.brand)


def felt(probability: float) -> float:
    return digits(probability, PREDICTED)


def parameters(features: Features, version: str, now: datetime) -> ShopperParameters:
    """Everything that is stored of one shopper."""
    asked = threshold(features.stretch).value
    return ShopperParameters(
        version=version,
        computed_at=now,
        products=tuple(shown(product) for product in features.products or ()),
        categories={category.name: felt(category.probability) for category in features.categories or ()},
        usual_basket=round(features.usual, 2),
        threshold=asked,
        generosity=generosity(features.usual, asked, features.discount or 0.0, features.paid or 0.0).value,
        trips=features.orders,
    )


def checked(shopper: str, made: ShopperParameters) -> Computed | Refused:
    """As they are stored; refused where no reader would take them."""
    data = encode_parameters(made)
    if len(data) > MOST_BYTES:
        return Refused(shopper, f"they take more than {MOST_BYTES} bytes")
    try:
        decode_parameters(data)
    except InvalidParameters as error:
        return Refused(shopper, str(error))
    return Computed(shopper, data, sketch(made))
