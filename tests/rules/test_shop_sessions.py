"""Browsing sessions: invented on the way, real at the end, and never out of order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from emulators.shop.assortment import noting_prices, page_of, unit_price
from emulators.shop.journey_data import Line, Order
from emulators.shop.sessions import VISIT, browse, live_day
from layers.events.envelope import Envelope, read_event
from layers.events.model import (
    AddedToBasket,
    BasketValidated,
    OrderPaid,
    PageViewed,
    RemovedFromBasket,
    type_name,
)
from layers.retailers import Contract
from tests.rules.shop import ASSORTMENT
from tests.rules.shop import order as an_order

NOW = datetime(2018, 2, 1, tzinfo=UTC)


@given(an_order())
def test_a_session_ends_with_the_real_order(order: Order) -> None:
    session = browse(order, ASSORTMENT)
    paid = session.events[-1]
    assert isinstance(paid, OrderPaid)
    assert (session.shopper, paid.order, paid.at, paid.total) == (order.customer, order.id, order.at, order.total)
    assert [(line.product, line.paid) for line in paid.lines] == [(line.product, line.paid) for line in order.lines]
    assert [line.quantity for line in paid.lines] == [line.quantity or msgspec.UNSET for line in order.lines]


@given(an_order())
def test_the_basket_at_the_end_is_what_was_bought(order: Order) -> None:
    basket: Counter[str] = Counter()
    for event in browse(order, ASSORTMENT).events:
        if isinstance(event, AddedToBasket):
            basket[event.product] += int(event.quantity)
        if isinstance(event, RemovedFromBasket):
            basket[event.product] -= int(event.quantity)
            assert basket[event.product] >= 0, "nothing is taken out that was not put in"
        if isinstance(event, BasketValidated):
            assert event.total == order.total
            assert +basket == Counter({line.product: line.quantity or 1 for line in order.lines})


@given(an_order())
def test_the_door_takes_every_event_as_it_is(order: Order) -> None:
    session = browse(order, ASSORTMENT)
    for event in session.events:
        read = read_event(msgspec.json.encode(event), NOW, Contract(browsing=1095))
        assert read[0] == event, read
    body = {"shopper": session.shopper, "session": session.id, "channel": "web", "events": list(session.events)}
    assert msgspec.json.decode(msgspec.json.encode(body), type=Envelope).session == session.id


@given(an_order(), st.one_of(st.none(), st.integers(0, 3600)))
def test_time_goes_forward_with_room_for_one_event_between(order: Order, since_last: int | None) -> None:
    before = None if since_last is None else order.at - timedelta(seconds=since_last)
    session = browse(order, ASSORTMENT, before)
    moments = [event.at for event in session.events]
    assert all(later - earlier >= timedelta(milliseconds=2) for earlier, later in pairwise(moments))
    assert order.at - VISIT <= moments[0] and moments[-1] == order.at
    if before is not None and order.at - before >= timedelta(seconds=len(moments)):
        assert moments[0] > before, "one cannot browse for the next order before the last one is paid"


@given(an_order())
def test_the_same_order_is_the_same_session(order: Order) -> None:
    assert browse(order, ASSORTMENT) == browse(order, ASSORTMENT)


@given(st.lists(an_order(most_lines=4), max_size=8, unique_by=lambda order: order.id))
def test_a_day_holds_each_order_once_and_no_id_twice(orders: list[Order]) -> None:
    shoppers = live_day(orders, ASSORTMENT)
    sessions = [session for visits in shoppers for session in visits]
    assert sorted(session.order.id for session in sessions) == sorted(order.id for order in orders)
    assert all(len({session.shopper for session in visits}) == 1 for visits in shoppers)
    ids = [event.id for session in sessions for event in session.events]
    assert len(ids) == len(set(ids))
    firsts = [visits[0].order.at for visits in shoppers]
    assert firsts == sorted(firsts)


def test_a_known_session_has_what_a_shop_has() -> None:
    at = datetime(2017, 12, 1, 18, tzinfo=UTC)
    lines = tuple(Line(str(product), 1, 2.0, 0.0) for product in range(0, 40, 2))
    session = browse(Order("40928302848", "1289", "31782", at, at.date(), lines), ASSORTMENT)
    kinds = Counter(type_name(event) for event in session.events)
    assert kinds["AddedToBasket"] - kinds["RemovedFromBasket"] == 20
    assert {"PageViewed", "Searched", "ProductViewed", "BasketValidated", "OrderPaid"} <= kinds.keys()
    first = session.events[0]
    assert isinstance(first, PageViewed) and first.kind == "home"


def test_prices_are_of_one_unit_and_the_last_one_holds() -> None:
    at = datetime(2017, 12, 1, 18, tzinfo=UTC)
    lines = (Line("1", 4, 10.0, 0.0), Line("2", None, 3.0, 0.0), Line("3", 1, 0.0, 0.0))
    later = (Line("1", 1, 2.25, 0.0),)
    prices: dict[str, float] = {}
    orders = [Order(str(n), "1", "1", at, at.date(), each) for n, each in enumerate((lines, later))]
    assert list(noting_prices(orders, prices)) == orders
    assert prices == {"1": 2.25}
    assert unit_price(25.0, 9000) == 0.002778
    assert unit_price(3.0, None) == 3.0


def test_a_page_of_a_category_is_a_path() -> None:
    assert page_of("COUPON/MISC ITEMS") == "/c/coupon-misc-items"
    assert page_of("£") == "/c/other"
