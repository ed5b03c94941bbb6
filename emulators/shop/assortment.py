"""What the demo shop's pages show: products on their shelves, with the price last paid. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from random import Random

from emulators.shop.journey_data import Order, Product

_WORD = re.compile(r"[a-z]{3,}")
_NOT_IN_PATH = re.compile(r"[^a-z0-9]+")


def noting_prices(orders: Iterable[Order], into: dict[str, float]) -> Iterator[Order]:
    """Hands the orders on, and notes what one unit of each product last cost: product id -> price. Lines without a
    quantity or a payment say nothing about that.
    """
    for order in orders:
        for line in order.lines:
            if line.quantity and line.paid:
                into[line.product] = unit_price(line.paid, line.quantity)
        yield order


def unit_price(paid: float, quantity: int | None) -> float:
    """Of one unit; a line without quantity is taken as one. Six decimals, for fuel is sold by thousandths."""
    return round(paid / (quantity or 1), 6)


class Assortment:
    """Args:
    products: the catalogue. prices: unit prices; what was never sold has none and stands on no shelf.
    """

    def __init__(self, products: Iterable[Product], prices: Mapping[str, float]) -> None:
        self._products = {product.id: product for product in products}
        self._prices = dict(prices)
        shelves: dict[str, list[str]] = defaultdict(list)
        for product in self._products.values():
            if product.category and product.id in self._prices:
                shelves[product.category].append(product.id)
        self._shelves = {category: tuple(sorted(ids)) for category, ids in shelves.items()}

    def category(self, product_id: str) -> str | None:
        """None for a product that the catalogue lacks or leaves without one."""
        product = self._products.get(product_id)
        return product.category if product else None

    def price(self, product_id: str) -> float:
        return self._prices[product_id]

    def words(self, product_id: str) -> str | None:
        """What a shopper would type to find it: one or two words of its type."""
        product = self._products.get(product_id)
        found = _WORD.findall((product.type or "").lower()) if product else []
        return " ".join(found[:2]) or None

    def neighbour(self, category: str, other_than: frozenset[str], random: Random) -> str | None:
        """Some product of the same shelf that is none of `other_than`."""
        shelf = [product for product in self._shelves.get(category, ()) if product not in other_than]
        return random.choice(shelf) if shelf else None

    def shelf_size(self, category: str) -> int:
        return len(self._shelves.get(category, ()))


def page_of(category: str) -> str:
    """The path of a category's page."""
    return f"/c/{_NOT_IN_PATH.sub('-', category.lower()).strip('-') or 'other'}"
