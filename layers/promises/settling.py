"""What becomes of promises by a shopper's orders and what was delivered of them. Pure: a fold of the stored events.

An order uses an open promise if it was paid after the promise was shown and before it ran out, reaches its threshold
and, for a promotion, holds its product. Nothing is earned before the delivery. Of amounts with and without VAT only
those with it are known here: `paid` and `total` are what the shopper paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace

from layers.campaigns.budgets import cents
from layers.events.model import OrderLine, OrderPaid, OrderStatusUpdated
from layers.events.record import Record
from layers.promises.model import Fate, Promise

_FINAL = ("delivered", "cancelled", "refunded")


@dataclass(frozen=True, slots=True)
class Order:
    """Attributes:
    paid: as it was amended last. delivered, cancelled, refunded: whether a status ever said so, whatever came later.
    """

    paid: OrderPaid
    first_at: datetime
    delivered: OrderStatusUpdated | None = None
    cancelled: bool = False
    refunded: bool = False


def orders_of(records: Iterable[Record]) -> list[Order]:
    """By the time of the first payment. An order that is paid again is amended: the newest says what is in it."""
    ordered = sorted(records, key=lambda record: (record.event.at, record.event.id))
    found: dict[str, Order] = {}
    for event in (record.event for record in ordered):
        if isinstance(event, OrderPaid):
            known = found.get(event.order)
            found[event.order] = Order(event, known.first_at if known else event.at)
    for event in (record.event for record in ordered):
        if not isinstance(event, OrderStatusUpdated) or event.order not in found or event.status not in _FINAL:
            continue
        order = found[event.order]
        found[event.order] = Order(
            order.paid,
            order.first_at,
            event if event.status == "delivered" else order.delivered,
            order.cancelled or event.status == "cancelled",
            order.refunded or event.status == "refunded",
        )
    return sorted(found.values(), key=lambda order: (order.first_at, order.paid.order))


def uses(order: Order, promise: Promise) -> bool:
    if promise.order:
        return order.paid.order == promise.order
    if not promise.at <= order.first_at <= promise.until or cents(order.paid.total) < promise.threshold:
        return False
    return promise.kind == "tension" or any(line.product == promise.product for line in order.paid.lines)


def _worth(lines: Sequence[OrderLine], product: str) -> int:
    """Cents of a product before its discount."""
    return sum(
        cents(line.paid + (0.0 if line.discount is UNSET else line.discount))
        for line in lines
        if line.product == product
    )


def earned(order: Order, promise: Promise) -> int:
    """Cents, once delivered: what was paid in the end tells what was delivered. Nothing of a product that is not among
    it, or below the threshold; never more than the product's own price.
    """
    lines, total = order.paid.lines, order.paid.total
    if cents(total) < promise.threshold:
        return 0
    if promise.kind == "tension":
        return promise.cents
    return min(promise.cents, _worth(lines, promise.product))


def settled(promises: Sequence[Promise], records: Iterable[Record]) -> list[Promise]:
    """The promises whose fate the orders change, as they become. Repeated, or by events in another order, the same."""
    orders = orders_of(records)
    found = [(promise, _settled(promise, orders)) for promise in promises]
    return [after for before, after in found if after != before]


def _settled(promise: Promise, orders: Sequence[Order]) -> Promise:
    if promise.fate in (Fate.NOT_EARNED, Fate.RETURNED, Fate.LAPSED):
        return promise
    order = next((order for order in orders if uses(order, promise)), None)
    if order is None:
        return promise
    taken = replace(promise, order=order.paid.order, fate=Fate.ORDERED)
    if promise.fate is Fate.EARNED:
        returned = order.cancelled or order.refunded
        return replace(promise, fate=Fate.RETURNED, earned=0) if returned else promise
    if order.cancelled or order.refunded:
        return replace(taken, fate=Fate.NOT_EARNED)
    if order.delivered is None:
        return taken
    amount = earned(order, promise)
    return replace(taken, fate=Fate.EARNED if amount else Fate.NOT_EARNED, earned=amount)
