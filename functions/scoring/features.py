"""What `parameters.sql` tells of one shopper, and what offers are worked out from where that is all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from layers.offers.model import ShopperView, Wanted
from layers.offers.tables import view_of
from layers.tree.parameters import PredictedProduct


class PredictedCategory(msgspec.Struct, frozen=True):
    name: str
    probability: float


class LikelyProduct(PredictedProduct, frozen=True):
    """With the department, by which the law tells products apart."""

    department: str | None = None


class Features(msgspec.Struct, frozen=True):
    """One row of `parameters.sql`, its JSON read.

    Attributes:
        trips_28: days with an order, of the last 28. q10 to q90, usual, stretch: quantiles of an order's total, of
            these the median and 60 %. discount, paid: sums over all lines; None where every line was in an excluded
            department.
    """

    shopper: str
    orders: int
    trips_28: int
    q10: float
    q25: float
    usual: float
    stretch: float
    q75: float
    q90: float
    discount: float | None = None
    paid: float | None = None
    products: tuple[LikelyProduct, ...] | None = None
    categories: tuple[PredictedCategory, ...] | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Features:
        """Raises:
        msgspec.MsgspecError: the statement and the code do not fit together.
        """
        plain = dict(row)
        for name in ("products", "categories"):
            plain[name] = msgspec.json.decode(plain.get(name) or b"null")
        return msgspec.convert(plain, cls)


def view(features: Features) -> ShopperView:
    """What offers are worked out from, where how often the shopper buys is what predicts: orders in the place of trips,
    and of products those that the parameters name."""
    discount, paid = features.discount or 0.0, features.paid or 0.0
    statistics = {
        "trips": features.orders,
        "trips_28": features.trips_28,
        "discount_share": discount / (discount + paid) if discount + paid > 0 else 0.0,
        **{name: getattr(features, name) for name in ("q10", "q25", "q75", "q90")},
        "q50": features.usual,
        "q60": features.stretch,
    }
    products = features.products or ()
    return view_of(
        features.shopper,
        statistics,
        [Wanted(p.id, p.probability, p.category, p.department, p.brand) for p in products],
    )
