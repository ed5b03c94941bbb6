"""What the Complete Journey columns mean, and how the past is moved."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.shop.journey_data import (
    LIVE_DAY,
    Line,
    Order,
    PurchaseRow,
    live_day_for,
    moved,
    orders,
    product,
    shift_for,
)
from emulators.shop.journey_files import DataMissing, _table, read_orders, read_products
from tests.rules.shop import order as an_order

days = st.dates(date(2018, 1, 1), date(2040, 12, 31))


def row(basket: int, product: int = 1, at: int = 1_512_104_400, **changes: float) -> PurchaseRow:
    values = {"quantity": 1, "sales_value": 1.0, "retail_discount": 0.0, "coupon_discount": 0.0} | changes
    return PurchaseRow(basket, 900, 330, at, product, **values)  # type: ignore[arg-type]


@given(days)
def test_the_live_day_is_the_latest_past_one_of_its_weekday(today: date) -> None:
    day = live_day_for(today)
    assert day.weekday() == LIVE_DAY.weekday()
    assert timedelta(days=1) <= today - day <= timedelta(days=7)
    assert shift_for(today) == day - LIVE_DAY


def test_the_live_day_of_a_known_sunday() -> None:
    assert live_day_for(date(2026, 11, 22)) == date(2026, 11, 20)
    assert live_day_for(date(2026, 11, 20)) == date(2026, 11, 13), "a day that is not over is no past day"


@given(days, an_order())
def test_moving_keeps_weekday_time_of_day_and_content(today: date, original: Order) -> None:
    later = moved(original, shift_for(today))
    assert (later.day.weekday(), later.at.time()) == (original.day.weekday(), original.at.time())
    assert later.at - original.at == later.day - original.day == shift_for(today)
    assert (later.id, later.customer, later.store, later.lines) == (
        original.id,
        original.customer,
        original.store,
        original.lines,
    )


def test_a_basket_after_midnight_utc_belongs_to_the_evening_in_the_shop() -> None:
    (late,) = orders([row(1, at=int(datetime(2017, 12, 2, 4, 59, 59, tzinfo=UTC).timestamp()))])
    (next_day,) = orders([row(2, at=int(datetime(2017, 12, 2, 5, 0, 0, tzinfo=UTC).timestamp()))])
    (summer,) = orders([row(3, at=int(datetime(2017, 7, 2, 4, 0, 0, tzinfo=UTC).timestamp()))])
    assert [late.day, next_day.day, summer.day] == [LIVE_DAY, date(2017, 12, 2), date(2017, 7, 2)]


def test_rows_become_orders_with_all_their_lines() -> None:
    found = list(
        orders(
            [
                row(1, 10, quantity=0, sales_value=0.1 + 0.2),
                row(1, 11, quantity=89_638, retail_discount=0.1, coupon_discount=0.2),
                row(2, 10),
            ]
        )
    )
    assert [(o.id, o.customer, o.store, len(o.lines)) for o in found] == [
        ("1", "900", "330", 2),
        ("2", "900", "330", 1),
    ]
    assert found[0].lines == (Line("10", None, 0.3, 0.0), Line("11", 89_638, 1.0, 0.3))
    assert found[0].total == 1.3


def test_a_basket_in_two_places_is_refused() -> None:
    with pytest.raises(ValueError, match="basket 1 stands in two places"):
        list(orders([row(1), row(2), row(1, 2)]))


def test_a_product_without_category_has_none() -> None:
    read = product(
        {"product_id": 25671, "brand": "National", "department": " ", "product_category": None, "product_type": "ICE"}
    )
    assert (read.id, read.brand, read.department, read.category, read.type) == ("25671", "National", None, None, "ICE")


def test_the_live_day_is_as_the_data_say() -> None:
    found = list(read_orders(LIVE_DAY, LIVE_DAY))
    assert (len(found), sum(len(order.lines) for order in found)) == (384, 3799)
    assert {order.day for order in found} == {LIVE_DAY}
    assert [order.at for order in found] == sorted(order.at for order in found)


def test_the_catalogue_has_every_product_once() -> None:
    products = read_products()
    assert len({product.id for product in products}) == len(products) == 92_331


def test_a_missing_file_says_what_to_do() -> None:
    with pytest.raises(DataMissing, match="install the locked requirements again"):
        _table("nothing", ("a",))
