"""What becomes of promises by a shopper's orders and what was delivered of them. Pure: a fold of the stored events.

An order uses a promise if it was paid after the promise was shown and before it ran out, reaches its threshold and, for
a promotion, holds its product; the first such order does, unless it uses one that this may not be combined with
(of those it uses the one that gives most). Nothing is earned before the delivery, and then on what the shopper keeps,
as it was said last. Of amounts with and without VAT only those with it are known here.

What is owed depends on the events alone, in whatever order they came. What the budgets could pay of it is `paying`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace

from layers.campaigns.budgets import cents
from layers.campaigns.terms import may_combine
from layers.events.model import Kept, KeptLine, OrderLine, OrderPaid, OrderStatusUpdated
from layers.events.record import Record
from layers.promises.model import Fate, Promise

Contents = OrderPaid | Kept
"""What an order holds, and its total: as it was paid, or as a status amended it."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order that was paid.

    Attributes:
        paid: each payment by time; an order that is paid again is amended.
        kept: what it holds, by whatever said so last. delivered: what it held when it was delivered first; None before.
        ended: cancelled or refunded as a whole, ever. returned: so after its delivery.
    """

    id: str
    paid: tuple[OrderPaid, ...]
    kept: Contents
    delivered: Contents | None = None
    ended: bool = False
    returned: bool = False


def orders_of(records: Iterable[Record]) -> list[Order]:
    """By the time of the first payment. A status of an order whose payment is not known says nothing."""
    by_order: dict[str, list[OrderPaid | OrderStatusUpdated]] = {}
    for event in sorted((record.event for record in records), key=lambda event: (event.at, event.id)):
        if isinstance(event, OrderPaid | OrderStatusUpdated):
            by_order.setdefault(event.order, []).append(event)
    told = [_told(id, events) for id, events in by_order.items()]
    return sorted((order for order in told if order is not None), key=lambda order: (order.paid[0].at, order.id))


def _told(id: str, events: Sequence[OrderPaid | OrderStatusUpdated]) -> Order | None:
    """Args:
    events: of one order, by time.
    """
    paid = tuple(event for event in events if isinstance(event, OrderPaid))
    if not paid:
        return None
    # A status that stands before the payment, by a clock that is slow, is of what was paid all the same.
    kept: Contents = paid[0]
    delivered: Contents | None = None
    ended = returned = False
    for event in events:
        if isinstance(event, OrderPaid):
            kept = event
            continue
        if event.kept is not UNSET:
            kept = event.kept
        if event.is_end:
            ended, returned = True, delivered is not None
        if event.status == "delivered" and delivered is None:
            delivered = kept
    return Order(id, paid, kept, delivered, ended, returned)


def used_at(order: Order, promise: Promise) -> datetime | None:
    """When it was paid so that it may use the promise; None if it never was. Who names no store paid in any."""
    for paid in order.paid:
        elsewhere = promise.store and paid.store is not UNSET and paid.store != promise.store
        if promise.at <= paid.at <= promise.until and not elsewhere and _worth(paid, promise) is not None:
            return paid.at
    return None


def _worth(contents: Contents, promise: Promise) -> int | None:
    """Cents of what the promise is of, before its discount; None below the threshold, or without the product."""
    if cents(contents.total) < promise.threshold:
        return None
    if promise.kind == "tension":
        return cents(contents.total)
    lines = [line for line in contents.lines if _counts(line, promise)]
    if not lines:
        return None
    return sum(cents(line.paid + (0.0 if line.discount is UNSET else line.discount)) for line in lines)


def _counts(line: OrderLine, promise: Promise) -> bool:
    """The promised product, or one in its place that the campaign declared."""
    if line.product == promise.product:
        return True
    instead = isinstance(line, KeptLine) and line.substituted_for == promise.product
    return instead and line.product in promise.substitutes


def earned(contents: Contents, promise: Promise) -> int:
    """Cents: of a percentage, that share of what it holds; never more than was promised, or than the product cost."""
    worth = _worth(contents, promise) or 0
    if promise.kind == "tension":
        return promise.cents if worth else 0
    if promise.percent:
        # Up, as the promise itself was rounded: so what is delivered as it was shown earns all of it.
        worth = math.ceil(round(worth * promise.percent / 100, 6))
    return min(promise.cents, worth)


def settled(promises: Sequence[Promise], records: Iterable[Record]) -> list[Promise]:
    """The promises whose fate the orders change, as they become. Repeated, or by events in another order, the same."""
    orders = orders_of(records)
    using, known = _used(promises, orders), {order.id for order in orders}
    found = [(one, _settled(one, using[one.key]) if one.key in using else _displaced(one, known)) for one in promises]
    return [after for before, after in found if after != before]


def _used(promises: Sequence[Promise], orders: Sequence[Order]) -> dict[str, Order]:
    """Which order uses each promise, by its key: by when it was paid, then by which gives most, whatever was known when
    that was asked before. An order has no two that may not be combined; the other one waits for the next order.
    """
    pairs = [(at, order, one) for one in promises for order in orders if (at := used_at(order, one)) is not None]
    pairs.sort(key=lambda pair: (pair[0], pair[1].id, -pair[2].cents, pair[2].at, pair[2].key))
    found: dict[str, Order] = {}
    beside: dict[str, list[Promise]] = {}
    for _, order, one in pairs:
        others = beside.setdefault(order.id, [])
        if one.key not in found and all(may_combine(one.stacking, other.stacking) for other in others):
            found[one.key] = order
            others.append(one)
    return found


def _displaced(promise: Promise, known: Set[str]) -> Promise:
    """A payment that was heard of late gave its order to another, with which it may not be combined."""
    if promise.order not in known or promise.fate not in (Fate.ORDERED, Fate.EARNED):
        return promise
    fate = Fate.NOT_EARNED if promise.fate is Fate.ORDERED else Fate.RETURNED
    return replace(promise, fate=fate, earned=0, unbudgeted=0)


def _settled(promise: Promise, order: Order) -> Promise:
    fate, amount = _fate(order, promise)
    if fate in (Fate.ORDERED, Fate.EARNED) and promise.fate is Fate.LAPSED:
        # The reservation is gone for good, and nothing brings it back.
        return replace(promise, order=order.id, earned=amount, unbudgeted=amount)
    unbudgeted = promise.unbudgeted if (fate, amount) == (promise.fate, promise.earned) else 0
    return replace(promise, order=order.id, fate=fate, earned=amount, unbudgeted=unbudgeted)


def _fate(order: Order, promise: Promise) -> tuple[Fate, int]:
    at_delivery = earned(order.delivered, promise) if order.delivered is not None else 0
    if order.ended:
        return (Fate.RETURNED if order.returned and at_delivery else Fate.NOT_EARNED), 0
    if order.delivered is None:
        return Fate.ORDERED, 0
    amount = earned(order.kept, promise)
    if amount:
        return Fate.EARNED, amount
    return (Fate.RETURNED if at_delivery else Fate.NOT_EARNED), 0
