"""The Complete Journey purchases as orders and products of a shop. Pure: tables go in, orders come out.

Owns what the columns mean: a `basket_id` is an order, timestamps are UTC, the shops' day is New York's, a quantity of 0
was not recorded, and the discounts given at the till are one discount. Owns as well how the past is moved to look
recent. Does not own reading the package's files (`journey_files`), nor how a retailer writes an order down
(`deliveries`). Demographics are no part of it: nothing here knows who a household is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

SHOPS_TIMEZONE = ZoneInfo("America/New_York")
LIVE_DAY = date(2017, 12, 1)
"""The local day that the story replays as browsing sessions; what came before is history."""

WEEK = timedelta(weeks=1)


class Line(msgspec.Struct, frozen=True):
    """One product of an order. `quantity` None: the till did not record it. `paid`, `discount`: for the whole line."""

    product: str
    quantity: int | None
    paid: float
    discount: float


class Order(msgspec.Struct, frozen=True):
    """`at` is the original moment, in UTC; `day` the original day where the shop is."""

    id: str
    customer: str
    store: str
    at: datetime
    day: date
    lines: tuple[Line, ...]

    @property
    def total(self) -> float:
        """What the shopper paid, to the cent."""
        return round(sum(line.paid for line in self.lines), 2)


class Product(msgspec.Struct, frozen=True):
    """As the catalogue has it; a field that it leaves out is None."""

    id: str
    brand: str | None
    department: str | None
    category: str | None
    type: str | None


class PurchaseRow(NamedTuple):
    """One row of `transactions`; `at` in seconds since the epoch, amounts in dollars."""

    basket: int
    household: int
    store: int
    at: int
    product: int
    quantity: int
    sales_value: float
    retail_discount: float
    coupon_discount: float


@lru_cache(maxsize=100_000)
def _day(at: datetime) -> date:
    return at.astimezone(SHOPS_TIMEZONE).date()


def local_day(at: datetime) -> date:
    """The day in the shop when it was `at`."""
    return _day(at)


def line(row: PurchaseRow) -> Line:
    return Line(
        str(row.product),
        row.quantity or None,
        round(row.sales_value, 2),
        round(row.retail_discount + row.coupon_discount, 2),
    )


def orders(rows: Iterable[PurchaseRow]) -> Iterator[Order]:
    """Puts the rows of a basket together.

    Args:
        rows: those of one basket next to each other, as sorting by time and basket leaves them.

    Raises:
        ValueError: a basket comes back after another one, so two orders would share an id.
    """
    seen: set[int] = set()
    for basket, group in groupby(rows, key=lambda row: row.basket):
        if basket in seen:
            raise ValueError(f"basket {basket} stands in two places; sort the rows by time and basket first")
        seen.add(basket)
        members = list(group)
        first = members[0]
        at = datetime.fromtimestamp(first.at, UTC)
        yield Order(
            str(basket),
            str(first.household),
            str(first.store),
            at,
            local_day(at),
            tuple(line(row) for row in members),
        )


def product(row: Mapping[str, object]) -> Product:
    """A row of `products`; an empty text is no value."""

    def text(column: str) -> str | None:
        value = row[column]
        return str(value).strip() or None if value is not None else None

    return Product(
        str(row["product_id"]), text("brand"), text("department"), text("product_category"), text("product_type")
    )


def live_day_for(today: date) -> date:
    """The most recent day before `today` with the weekday of `LIVE_DAY`.

    Args:
        today: the current day in the shops' time zone, so that the day given is over there.
    """
    return today - timedelta(days=(today.weekday() - LIVE_DAY.weekday() - 1) % 7 + 1)


def shift_for(today: date) -> timedelta:
    """The constant whole number of weeks by which every date moves."""
    shift = live_day_for(today) - LIVE_DAY
    if shift % WEEK:
        raise AssertionError("a weekday must stay itself, so the move is of whole weeks")
    return shift


def moved(order: Order, shift: timedelta) -> Order:
    """The same order as if it had happened `shift` later. Its day moves with it, whatever daylight saving does."""
    return msgspec.structs.replace(order, at=order.at + shift, day=order.day + shift)
