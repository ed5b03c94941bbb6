"""Orders and assortments for tests of the demo shop, made up by Hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from emulators.shop.assortment import Assortment
from emulators.shop.journey_data import Line, Order, Product, local_day

START = datetime(2017, 1, 1, 5, tzinfo=UTC)

CATEGORIES = (None, "FRZN ICE", "COUPON/MISC ITEMS", "CANDY - CHECKLANE")
PRODUCTS = tuple(
    Product(str(number), "National", "GROCERY", CATEGORIES[number % 4], (None, "ICE - CRUSHED/CUBED", "£")[number % 3])
    for number in range(40)
)
ASSORTMENT = Assortment(PRODUCTS, {product.id: 1.5 for product in PRODUCTS[::2]})

cents = st.integers(0, 90_000).map(lambda amount: amount / 100)


@st.composite
def order(draw: st.DrawFn, most_lines: int = 30) -> Order:
    """Some products are in no catalogue, some quantities are not recorded, some are those of fuel."""
    at = START + timedelta(seconds=draw(st.integers(0, 360 * 86_400)))
    products = draw(st.lists(st.integers(0, 60), min_size=1, max_size=most_lines, unique=True))
    lines = tuple(
        Line(
            str(product),
            draw(st.one_of(st.none(), st.integers(1, 5), st.just(89_638))),
            draw(cents),
            draw(st.sampled_from((0.0, 0.18))),
        )
        for product in products
    )
    return Order(str(draw(st.integers(1, 10**11))), str(draw(st.integers(1, 2500))), "330", at, local_day(at), lines)
