"""A shopper's parameters in plain words, with the figures they rest on. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from layers.retailers import Retailer
from layers.tree.parameters import PredictedProduct, ShopperParameters

PRODUCTS_TOLD = 10


def explained(parameters: ShopperParameters, retailer: Retailer) -> list[str]:
    """Lines for people; names no shopper."""
    return list(_lines(parameters, retailer.currency))


def _lines(p: ShopperParameters, currency: str) -> Iterator[str]:
    yield f"parameters {p.version}, computed {p.computed_at:%Y-%m-%d %H:%M} UTC and the same ever since"
    yield (
        f"{p.trips} orders were counted; one usually comes to {p.usual_basket:.2f} {currency}; a promotion asks for "
        f"{p.threshold:.2f} and gives {p.generosity:.2f}"
    )
    if p.segment:
        yield f"segment: {p.segment}"
    if p.churn is not None:
        yield f"no purchase in the next 28 days: {p.churn:.0%}"
    yield from p.why
    yield from _products("likely in the next basket", p.products[:PRODUCTS_TOLD], len(p.products))
    yield from _products("new to this shopper, and likely", p.discoveries, len(p.discoveries))
    if p.categories:
        best = sorted(p.categories.items(), key=lambda each: (-each[1], each[0]))[:PRODUCTS_TOLD]
        yield "categories: " + ", ".join(f"{name} {probability:.0%}" for name, probability in best)


def _products(title: str, products: tuple[PredictedProduct, ...], of: int) -> Iterator[str]:
    if products:
        yield f"{title} ({len(products)} of {of}):"
    for product in products:
        said = "; ".join(each for each in (product.category or "", product.why) if each)
        yield f"  {product.probability:6.1%}  {product.id}" + (f"  {said}" if said else "")
