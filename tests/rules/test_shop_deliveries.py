"""The retailer's files: what goes in comes out, and the broken lines are where they are said to be."""

from __future__ import annotations

import gzip
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.shop.deliveries import (
    BROKEN,
    DeliveredOrder,
    DeliveredProduct,
    broken_among,
    catalogue_line,
    day_files,
    order_line,
    pack,
)
from emulators.shop.journey_data import Order
from functions.feeds.rules import batches
from functions.feeds.rules import products as read_catalogue
from layers.events.envelope import read_envelopes, read_event
from layers.events.model import OrderPaid
from layers.retailers import Contract
from tests.rules.shop import PRODUCTS, START
from tests.rules.shop import order as an_order


@given(an_order())
def test_an_order_line_says_the_order_back(order: Order) -> None:
    line = order_line(order)
    read = msgspec.json.decode(line, type=DeliveredOrder)
    assert (read.order, read.customer, read.store, read.paid_at) == (order.id, order.customer, order.store, order.at)
    assert [(each.product, each.quantity, each.paid, each.discount or 0.0) for each in read.lines] == [
        (each.product, each.quantity, each.paid, each.discount) for each in order.lines
    ]
    for each in msgspec.json.decode(line)["lines"]:
        assert each.get("quantity") != 0 and each.get("discount") != 0.0 and "paid" in each


@given(st.lists(an_order(), min_size=1, max_size=8))
def test_feeds_makes_the_same_order_of_a_line(orders: list[Order]) -> None:
    (batch,) = batches(order_line(order) for order in orders)
    assert not batch.bad
    for envelope, order in zip(read_envelopes(batch.body, server=True), orders, strict=True):
        event, _ = read_event(envelope.events[0], START + timedelta(days=400), Contract())
        assert isinstance(event, OrderPaid)
        assert (envelope.shopper, event.order, event.at) == (order.customer, order.id, order.at)
        assert [line.paid for line in event.lines] == [line.paid for line in order.lines]


@given(st.lists(an_order(), max_size=30))
def test_feeds_finds_exactly_the_broken_lines(orders: list[Order]) -> None:
    good = [order_line(order) for order in orders]
    lines, places = broken_among(good, START)
    assert [line for number, line in enumerate(lines, start=1) if number not in places] == good
    assert sorted(places.values()) == sorted(broken.fault for broken in BROKEN)
    bad = [bad for batch in batches(lines) for bad in batch.bad]
    assert {each.line for each in bad} == places.keys()
    assert not any("jane.doe" in each.reason for each in bad)


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b"")), max_size=20))
def test_the_same_lines_give_the_same_bytes(lines: list[bytes]) -> None:
    assert pack(lines) == pack(list(lines))
    assert gzip.decompress(pack(lines)) == b"".join(line + b"\n" for line in lines)


def days_of(orders: list[Order]) -> list[Order]:
    return sorted(orders, key=lambda order: order.at)


@given(st.lists(an_order(most_lines=3), max_size=12))
def test_each_order_is_in_the_file_of_its_day(orders: list[Order]) -> None:
    broken_day = orders[0].day if orders else None
    files = list(day_files(days_of(orders), broken_day))
    assert [file.key for file in files] == [f"orders/{day}.ndjson.gz" for day in sorted({o.day for o in orders})]
    assert sum(file.orders for file in files) == len(orders)
    assert sum(file.lines for file in files) == sum(len(order.lines) for order in orders)
    for file in files:
        assert len(gzip.decompress(file.content).splitlines()) == file.orders + len(file.broken)
        assert bool(file.broken) == (file.day == broken_day)


def test_a_day_that_comes_back_is_refused() -> None:
    def on(day: date) -> Order:
        return Order("1", "1", "1", START, day, ())

    with pytest.raises(ValueError, match="2017-01-01 comes after 2017-01-02"):
        list(day_files([on(date(2017, 1, 1)), on(date(2017, 1, 2)), on(date(2017, 1, 1))], None))


def test_the_catalogue_is_read_by_feeds_as_it_was_written() -> None:
    lines = [catalogue_line(product) for product in PRODUCTS]
    assert b"null" not in b"".join(lines)
    rows, bad = read_catalogue(lines)
    assert not bad
    assert [msgspec.convert(row, DeliveredProduct).category for row in rows] == [p.category for p in PRODUCTS]
