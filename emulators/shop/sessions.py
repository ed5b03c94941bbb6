"""A paid order as the browsing session that may have led to it. Pure: the only chance in it is seeded by the order.

Real are the shopper, the moment of payment, and every line with its quantity and price. Invented are the way there:
which pages were opened, what was searched, and some products put into the basket and taken out again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from random import Random

import msgspec

from emulators.shop.assortment import Assortment, page_of, unit_price
from emulators.shop.journey_data import Line, Order
from layers.events.model import (
    AddedToBasket,
    BasketValidated,
    Event,
    OrderLine,
    OrderPaid,
    PageViewed,
    ProductViewed,
    RemovedFromBasket,
    Searched,
)

VISIT = timedelta(minutes=20)
"""How long before its payment a session begins, unless the shopper was still paying another order then."""

_SPACE = uuid.UUID("6f0a7a4e-6d5b-4a54-9c5e-0d5f8c1a2b30")
_TICK_MS = 2
"""The least pause between two events: an `ExperienceShown` of the first fits in between."""

Draft = Callable[..., Event]
"""An event that still lacks its id and its time."""


class Session(msgspec.Struct, frozen=True):
    """One visit: `events` by strictly increasing time, the last one the payment of `order`."""

    id: str
    shopper: str
    order: Order
    events: tuple[Event, ...]


def event_id(order_id: str, step: str) -> str:
    """The same order gives the same ids, so a day sent twice is the same day."""
    return str(uuid.uuid5(_SPACE, f"{order_id}/{step}"))


def browse(order: Order, assortment: Assortment, not_before: datetime | None = None) -> Session:
    """The session of an order.

    Args:
        order: already moved. not_before: when the shopper paid the order before this one.
    """
    random = Random(int.from_bytes(sha256(order.id.encode()).digest()[:8], "big"))
    drafts: list[Draft] = [
        partial(PageViewed, page="/", kind="home"),
        *_shopping(order, assortment, random),
        partial(PageViewed, page="/basket", kind="basket"),
        partial(BasketValidated, total=order.total, lines=len(order.lines)),
        partial(PageViewed, page="/checkout", kind="checkout"),
        partial(OrderPaid, order=order.id, total=order.total, lines=_paid_lines(order), store=order.store),
    ]
    moments = _moments(order.at, len(drafts), not_before, random)
    events = tuple(
        draft(id=event_id(order.id, str(step)), at=at)
        for step, (draft, at) in enumerate(zip(drafts, moments, strict=True))
    )
    return Session(event_id(order.id, "session"), order.customer, order, events)


def live_day(orders: Iterable[Order], assortment: Assortment) -> list[list[Session]]:
    """The sessions of a day, those of one shopper together and in order; shoppers by their first payment."""
    shoppers: dict[str, list[Session]] = {}
    for order in sorted(orders, key=lambda order: (order.at, order.id)):
        visits = shoppers.setdefault(order.customer, [])
        visits.append(browse(order, assortment, visits[-1].order.at if visits else None))
    return list(shoppers.values())


def _shopping(order: Order, assortment: Assortment, random: Random) -> list[Draft]:
    """Aisle by aisle: a page or a search, then the products found there; distractors go before the basket is shown."""
    bought = frozenset(line.product for line in order.lines)
    aisles: dict[str | None, list[Line]] = {}
    for line in random.sample(order.lines, len(order.lines)):
        aisles.setdefault(assortment.category(line.product), []).append(line)
    steps: list[Draft] = []
    doubtful: list[Draft] = []
    for category, lines in aisles.items():
        steps.append(_arrival(category, lines[0].product, assortment, random))
        for line in lines:
            price = unit_price(line.paid, line.quantity)
            if random.random() < 0.4:
                steps.append(partial(ProductViewed, product=line.product, price=price))
            steps.append(partial(AddedToBasket, product=line.product, quantity=line.quantity or 1, price=price))
        distractor = assortment.neighbour(category, bought, random) if category else None
        if distractor is not None and random.random() < 0.35:
            price = assortment.price(distractor)
            steps.append(partial(ProductViewed, product=distractor, price=price))
            if random.random() < 0.6:
                steps.append(partial(AddedToBasket, product=distractor, quantity=1, price=price))
                removal = partial(RemovedFromBasket, product=distractor, quantity=1, price=price)
                (steps if random.random() < 0.5 else doubtful).append(removal)
    return steps + doubtful


def _arrival(category: str | None, product: str, assortment: Assortment, random: Random) -> Draft:
    words = assortment.words(product)
    if category is None or (words is not None and random.random() < 0.35):
        found = assortment.shelf_size(category) if category else 1
        return partial(Searched, query=words or product, results=found)
    return partial(PageViewed, page=page_of(category), kind="category", category=category[:64])


def _paid_lines(order: Order) -> tuple[OrderLine, ...]:
    return tuple(
        OrderLine(
            product=line.product,
            paid=line.paid,
            quantity=line.quantity if line.quantity else msgspec.UNSET,
            discount=line.discount if line.discount else msgspec.UNSET,
        )
        for line in order.lines
    )


def _moments(paid: datetime, count: int, not_before: datetime | None, random: Random) -> list[datetime]:
    """`count` moments that end at `paid`, each later than the one before.

    A shopper who paid another order seconds ago, as happens at two tills, browsed for both at once: there `not_before`
    is no bound.
    """
    span = VISIT
    if not_before is not None and paid - not_before >= timedelta(seconds=count):
        span = min(VISIT, paid - not_before)
    ticks = int(span / timedelta(milliseconds=_TICK_MS))
    before = sorted(random.sample(range(1, ticks), count - 1), reverse=True)
    return [paid - timedelta(milliseconds=_TICK_MS * tick) for tick in before] + [paid]
