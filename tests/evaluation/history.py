"""The real purchases: what was known before the cut, and what came after it. Kept apart, so that nothing can leak.

Days are the shops' own. Does not own the files (`emulators.shop.journey_files`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from emulators.shop.journey_data import Order, Product
from emulators.shop.journey_files import read_orders, read_products

FIRST_DAY, LAST_DAY = date(2017, 1, 1), date(2017, 12, 31)

FMCG = (
    "GROCERY", "DRUG GM", "PRODUCE", "MEAT-PCKGD", "MEAT", "DELI", "PASTRY", "NUTRITION", "SEAFOOD-PCKGD", "SEAFOOD",
    "FROZEN GROCERY", "SALAD BAR", "COSMETICS", "SPIRITS", "CHEF SHOPPE", "RESTAURANT",
)  # fmt: skip
"""Fast-moving consumer goods. With these the recomputed baselines come within .001 of the published ones."""

HORIZON = timedelta(days=28)
CATEGORY_HORIZON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Truth:
    """What households did from the cut on.

    Attributes:
        baskets: the products of the first day with any, within 28 days. shopped: who came within 28 days. categories:
            of 14 days. whole, categories_whole: whether the data reach over 28 days, over 14.
    """

    baskets: dict[str, set[str]]
    shopped: set[str]
    categories: dict[str, set[str]]
    whole: bool
    categories_whole: bool


def catalogue() -> dict[str, Product]:
    return {product.id: product for product in read_products()}


def before(cut: date) -> list[Order]:
    return list(read_orders(FIRST_DAY, cut - timedelta(days=1)))


def truth(cut: date, products: Mapping[str, Product]) -> Truth:
    """Reads what came after; call it when everything is predicted."""
    baskets: dict[str, set[str]] = {}
    days: dict[str, date] = {}
    categories: dict[str, set[str]] = defaultdict(set)
    for order in read_orders(cut, min(cut + HORIZON - timedelta(days=1), LAST_DAY)):
        bought = goods(order, products)
        if not bought:
            continue
        first = days.setdefault(order.customer, order.day)
        if order.day == first:
            baskets.setdefault(order.customer, set()).update(bought)
        if order.day < cut + CATEGORY_HORIZON:
            categories[order.customer].update(
                category for product in bought if (category := products[product].category) is not None
            )
    return Truth(baskets, set(days), dict(categories), _known(cut, HORIZON), _known(cut, CATEGORY_HORIZON))


def _known(cut: date, horizon: timedelta) -> bool:
    return cut + horizon <= LAST_DAY + timedelta(days=1)


def unknown(cut: date) -> list[str]:
    """What the data cannot judge of a cut: the fact, the consequence and the remedy; nothing where they reach."""
    after = (LAST_DAY - cut).days + 1
    found = []
    for horizon, what in (
        (HORIZON, "who does not come for 28 days is not judged, and baskets are of those who came by then"),
        (CATEGORY_HORIZON, "categories are not judged"),
    ):
        if not _known(cut, horizon):
            newest = LAST_DAY + timedelta(days=1) - horizon
            found.append(
                f"The data end on {LAST_DAY}, {after} day{'s' if after > 1 else ''} into the {horizon.days} after the"
                f" cut, so {what}. Choose {newest} or earlier for that."
            )
    return found


def goods(order: Order, products: Mapping[str, Product]) -> set[str]:
    """The products of an order that are fast-moving consumer goods."""
    return {
        line.product
        for line in order.lines
        if (known := products.get(line.product)) is not None and known.department in FMCG
    }
