"""Orders and catalogue as the demo retailer delivers them: gzipped NDJSON, in the retailer's own words.

Pure: what goes out is bytes. One file a local day, named by it, with one order a line; the catalogue is one file. Three
lines of one file are broken on purpose, as real deliveries have such lines, and the story says which. Does not own
where the files go (`bucket`).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

import msgspec

from emulators.shop.journey_data import Order, Product


class DeliveredLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`quantity` is left out where the till did not record it, `discount` where there was none."""

    product: str
    quantity: int | None = None
    paid: float
    discount: float | None = None


class DeliveredOrder(msgspec.Struct, frozen=True):
    order: str
    customer: str
    store: str
    paid_at: datetime
    lines: tuple[DeliveredLine, ...]


class DeliveredProduct(msgspec.Struct, frozen=True, omit_defaults=True):
    product: str
    brand: str | None = None
    department: str | None = None
    category: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that no reader should accept. `secret` is what must appear nowhere afterwards; empty: nothing."""

    text: bytes
    fault: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class DayFile:
    """Attributes:
    key: in the bucket. day: its local day, moved. orders, lines: that are good. broken: line number from 1 -> fault.
    """

    key: str
    day: date
    content: bytes
    orders: int
    lines: int
    broken: dict[int, str]


BROKEN: tuple[BrokenLine, ...] = (
    BrokenLine(b'{"order": "90000000001", "customer": "1", "store": "1", "paid_at": "2017-06', "truncated JSON"),
    BrokenLine(
        b'{"order": "90000000002", "customer": "1", "store": "1", "paid_at": "%(at)s", '
        b'"lines": [{"product": "1", "quantity": 1, "paid": -2.5}]}',
        "negative amount",
    ),
    BrokenLine(
        b'{"order": "90000000003", "customer": "1", "store": "1", "paid_at": "%(at)s", '
        b'"email": "jane.doe@shopper.example", "lines": [{"product": "1", "quantity": 1, "paid": 2.5}]}',
        "undeclared field with an e-mail address",
        secret="jane.doe@shopper.example",
    ),
)

_encoder = msgspec.json.Encoder()


def order_line(order: Order) -> bytes:
    """One order as one line, without its newline."""
    lines = tuple(
        DeliveredLine(product=line.product, quantity=line.quantity, paid=line.paid, discount=line.discount or None)
        for line in order.lines
    )
    return _encoder.encode(DeliveredOrder(order.id, order.customer, order.store, order.at, lines))


def catalogue_line(product: Product) -> bytes:
    return _encoder.encode(
        DeliveredProduct(product.id, product.brand, product.department, product.category, product.type)
    )


def pack(lines: Iterable[bytes]) -> bytes:
    """Gzipped NDJSON; the same lines give the same bytes, since no clock stands in the header."""
    return gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=6, mtime=0)


def broken_among(good: Sequence[bytes], at: datetime) -> tuple[list[bytes], dict[int, str]]:
    """The good lines with the broken ones spread between them.

    Returns:
        All lines, and the line number (from 1) and fault of each broken one.
    """
    mixed = list(good)
    places: dict[int, str] = {}
    for nth, broken in enumerate(BROKEN):
        place = min((nth + 1) * len(good) // (len(BROKEN) + 1) + nth, len(mixed))
        mixed.insert(place, broken.text.replace(b"%(at)s", at.isoformat().encode()))
        places[place + 1] = broken.fault
    return mixed, places


def day_key(day: date) -> str:
    return f"orders/{day.isoformat()}.ndjson.gz"


def day_files(orders: Iterable[Order], broken_day: date | None) -> Iterator[DayFile]:
    """One file a day.

    Args:
        orders: by time. broken_day: whose file gets the broken lines.

    Raises:
        ValueError: a day comes back after another, so its first file would be overwritten.
    """
    latest: date | None = None
    for day, group in groupby(orders, key=lambda order: order.day):
        if latest is not None and day <= latest:
            raise ValueError(f"{day} comes after {latest}; sort the orders by time first")
        latest = day
        members = list(group)
        lines = [order_line(order) for order in members]
        broken: dict[int, str] = {}
        if day == broken_day:
            lines, broken = broken_among(lines, members[0].at)
        yield DayFile(day_key(day), day, pack(lines), len(members), sum(len(order.lines) for order in members), broken)


def catalogue(products: Iterable[Product]) -> bytes:
    return pack(catalogue_line(product) for product in products)
