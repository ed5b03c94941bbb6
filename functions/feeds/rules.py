"""What feeds decides, pure: what a delivered line says, which lines make a request, what an answer means for them.

A delivery is the retailer's own words: one order a line (`Order`), or one product a line of the catalogue (`Product`).
An order's event id is made of the order's id, so that sending it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from layers.events.envelope import MAX_BODY_BYTES, CustomerId
from layers.events.model import Amount, Id, Moment, OrderLine
from layers.events.refusal import UNREADABLE, describe, fields_of
from layers.privacy.suppression import REFUSED

SESSION = "history"
CHANNEL = "history"

MAX_LINE_BYTES = 256 * 1024
"""A longer line is no order of ours; reading it whole could fill the memory."""

_ROOM_BYTES = MAX_BODY_BYTES - 1024
_OPEN, _NEXT, _CLOSE = b"[", b",", b"]"


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paid order, as the retailer delivers it. Closed: a field that nobody declared refuses the line."""

    order: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,52}$")]
    customer: CustomerId
    paid_at: Moment
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=500)]
    store: Id | UnsetType = UNSET


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product of the catalogue."""

    product: Id
    brand: Annotated[str, Meta(max_length=120)] | None = None
    department: Annotated[str, Meta(max_length=120)] | None = None
    category: Annotated[str, Meta(max_length=120)] | None = None
    type: Annotated[str, Meta(max_length=120)] | None = None


class _Paid(msgspec.Struct, frozen=True, tag_field="type", tag="OrderPaid", omit_defaults=True):
    id: str
    at: datetime
    order: str
    total: Amount
    lines: tuple[OrderLine, ...]
    store: str | UnsetType = UNSET


class _Envelope(msgspec.Struct, frozen=True):
    shopper: str
    session: str
    channel: str
    events: tuple[_Paid]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that no retry can mend. Where and why; never what it said."""

    line: int
    reason: str


@dataclass(slots=True)
class Batch:
    """What one request carries: envelope i came from `lines[i]`."""

    envelopes: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    last_line: int = 0
    size: int = 2

    @property
    def body(self) -> bytes:
        return _OPEN + _NEXT.join(self.envelopes) + _CLOSE

    def halves(self) -> tuple[Batch, Batch]:
        """Two requests that together carry the same lines."""
        middle = len(self.lines) // 2
        return (
            Batch(self.envelopes[:middle], self.lines[:middle]),
            Batch(self.envelopes[middle:], self.lines[middle:]),
        )


_order = msgspec.json.Decoder(Order)
_product = msgspec.json.Decoder(Product)
_encoder = msgspec.json.Encoder()
_FIELDS = fields_of(Order, OrderLine, Product)


def event_id(order: str) -> str:
    """Of the `OrderPaid` of this order: the same in every delivery."""
    return f"order-paid-{order}"


def envelope(order: Order) -> bytes:
    """The order as the front door takes it."""
    paid = _Paid(
        id=event_id(order.order),
        at=order.paid_at,
        order=order.order,
        total=round(sum(line.paid for line in order.lines), 2),
        lines=order.lines,
        store=order.store,
    )
    return _encoder.encode(_Envelope(order.customer, SESSION, CHANNEL, (paid,)))


def _reason(error: Exception) -> str:
    path, rule = describe(error, _FIELDS)
    return f"{rule} (at {path})"


def batches(lines: Iterable[bytes], after: int = 0) -> Iterator[Batch]:
    """Packs an object's lines into requests that the front door takes.

    Args:
        lines: from the first line of the object. after: number of the last line already sent; those up to it are left
            out.
    """
    batch = Batch()
    number = 0
    for number, line in enumerate(lines, start=1):
        if number <= after or not line.strip():
            continue
        if len(line) > MAX_LINE_BYTES:
            batch.bad.append(BadLine(number, f"longer than {MAX_LINE_BYTES} bytes"))
            continue
        try:
            encoded = envelope(_order.decode(line))
        except UNREADABLE as error:
            batch.bad.append(BadLine(number, _reason(error)))
            continue
        if len(encoded) + 2 > _ROOM_BYTES:
            batch.bad.append(BadLine(number, "an order too large for one request"))
            continue
        if batch.size + len(encoded) + 1 > _ROOM_BYTES:
            batch.last_line = number - 1
            yield batch
            batch = Batch()
        batch.envelopes.append(encoded)
        batch.lines.append(number)
        batch.size += len(encoded) + 1
    batch.last_line = number
    yield batch


def products(lines: Iterable[bytes]) -> tuple[list[dict[str, str | None]], list[BadLine]]:
    """Rows of the catalogue, the last line of each product, and the lines that are none."""
    rows: dict[str, dict[str, str | None]] = {}
    bad: list[BadLine] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                product = _product.decode(line)
            except UNREADABLE as error:
                bad.append(BadLine(number, _reason(error)))
            else:
                rows[product.product] = msgspec.structs.asdict(product)
    return list(rows.values()), bad


def refused(batch: Batch, rejected: Sequence[Mapping[str, object]]) -> list[BadLine]:
    """The front door's rejections in the words of the file: which line, and why."""
    return [
        BadLine(batch.lines[int(str(item.get("envelope", 0)))], f"{item['reason']} (at {item['path']})")
        for item in rejected
    ]


def is_erased(line: BadLine) -> bool:
    """Whether the door refused it as an erased shopper's. It is counted and nowhere listed: a file, a line and this
    reason together would say who asked to be forgotten.
    """
    return line.reason.startswith(REFUSED)


def ledger_id(retailer_id: str, key: str, version: str) -> str:
    """Of the document that remembers one version of one delivered object."""
    return f"{retailer_id}:{sha256(f'{key} {version}'.encode()).hexdigest()[:32]}"
