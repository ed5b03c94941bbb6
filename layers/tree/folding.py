"""What one event does to a shopper's state, the tree aside: the basket, the page, the order, the consent.

Pure, and total: any of the twelve event types, after any state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from layers.events.model import (
    EVENT_TYPES,
    AddedToBasket,
    BasketValidated,
    ConsentChanged,
    ExperienceShown,
    OrderLine,
    OrderPaid,
    OrderStatusUpdated,
    PageViewed,
    RemovedFromBasket,
    Searched,
    type_name,
)
from layers.events.record import Record, milliseconds
from layers.tree.state import BASKET, COUNTED, PATH, SESSIONS, SHOWN, Consent, Key, Line, Order, State, digest

PAUSE_MS = 6 * 3600 * 1000
"""A pause longer than this ends a journey."""

OTHER_PURPOSES = ("advertising", "measurement", "rewards")
"""Which an offer may ask for beside personalisation."""

_LETTERS = {event: chr(ord("a") + number) for number, event in enumerate(EVENT_TYPES)}

_NOBODY_ON_THE_PAGE = frozenset({"store", "server", "officer"})
"""Channels that do not begin a journey after an order: the till, the back office or the compliance officer speaks, not
the shopper."""


def key_of(record: Record) -> Key:
    return milliseconds(record.event.at), record.event.id


def consent_of(record: Record) -> Consent | None:
    """What a record says about personalisation; None if it is no `ConsentChanged`."""
    if not isinstance(record.event, ConsentChanged):
        return None
    at_ms, event = key_of(record)
    purposes = record.event.purposes
    also = tuple([name for name in OTHER_PURPOSES if getattr(purposes, name)])
    return Consent(at_ms, event, purposes.personalisation, also)


def newest_consent(consents: Iterable[Consent | None], until: Key) -> Consent | None:
    """The newest one up to a moment, that moment included."""
    known = [consent for consent in consents if consent is not None and consent.key <= until]
    return max(known, key=lambda consent: consent.key, default=None)


def paused(earlier_ms: int, later_ms: int) -> bool:
    """Whether nothing carries over: also when several journeys follow each other without such a pause, folding from
    here gives the same as folding from the beginning of time."""
    return later_ms - earlier_ms > PAUSE_MS


def begins_anew(state: State, at_ms: int, session: str, channel: str) -> bool:
    """Whether something of this session belongs to a new journey: after a long pause, or after the order that this
    journey led to, in a session that it has not seen."""
    if paused(state.last_ms, at_ms):
        return True
    return state.order.placed and channel not in _NOBODY_ON_THE_PAGE and digest(session) not in state.sessions


def arrival(root: str, at_ms: int, stretch: State | None) -> State:
    """A journey's state before its first event.

    Args:
        stretch: the state before it, if there was no long pause.
    """
    return State(
        tree_version="",
        started_ms=at_ms,
        stretch_ms=stretch.stretch_ms if stretch else at_ms,
        last_ms=at_ms,
        last_id="",
        revision=stretch.revision if stretch else 0,
        counted=stretch.counted if stretch else (),
        consent_before=stretch.consent_before if stretch else None,
        store=stretch.store if stretch else "",
        shown=stretch.shown if stretch else (),
        node=root,
    )


def _sessions(state: State, session: str) -> tuple[str, ...]:
    seen = digest(session)
    if state.order.placed or seen in state.sessions:
        return state.sessions
    return (*state.sessions, seen)[-SESSIONS:]


def _basket(state: State, record: Record) -> dict[str, Line]:
    event = record.event
    basket = state.basket
    if isinstance(event, AddedToBasket):
        known = basket.get(event.product)
        if known is None and len(basket) >= BASKET:
            return basket
        quantity = event.quantity + (known.quantity if known else 0.0)
        return {**basket, event.product: Line(quantity, event.price)}
    if isinstance(event, RemovedFromBasket) and event.product in basket:
        left = basket[event.product].quantity - event.quantity
        if left > 1e-9:
            return {**basket, event.product: Line(left, basket[event.product].price)}
        return {product: line for product, line in basket.items() if product != event.product}
    if isinstance(event, OrderPaid) and record.channel != "store":
        return {}
    return basket


def _search(state: State, event: object) -> str:
    if isinstance(event, Searched):
        return event.query
    if isinstance(event, PageViewed) and event.kind not in ("search", "product"):
        return ""
    return state.search


def _order(state: State, record: Record) -> Order:
    """An order at the till is none of this journey's; a status is of the journey's order, or of one long ago."""
    event, order = record.event, state.order
    if isinstance(event, OrderPaid) and record.channel != "store":
        return Order(True, event.total, _products(event.lines), digest(event.order))
    if not isinstance(event, OrderStatusUpdated) or not order.paid or digest(event.order) != order.id:
        return order
    if event.is_end:
        return Order(False, order.total, (), order.id, cancelled=True)
    if event.kept is not UNSET:
        return Order(True, event.kept.total, _products(event.kept.lines), order.id)
    return order


def _products(lines: Sequence[OrderLine]) -> tuple[str, ...]:
    return tuple(line.product for line in lines)[:BASKET]


def _shown(state: State, event: object) -> tuple[str, ...]:
    if not isinstance(event, ExperienceShown):
        return state.shown
    node = event.node if event.node is not UNSET else ""
    return (*state.shown, f"{event.kind}:{node}")[-SHOWN:]


def counted(state: State, record: Record, consent: Consent | None) -> State:
    """The state with one more event in it; the node does not move here."""
    event = record.event
    at_ms, event_id = key_of(record)
    viewed = event if isinstance(event, PageViewed) else None
    # An order at the till leaves the basket on the web as it is, and sends nobody home.
    paid = event if isinstance(event, OrderPaid) and record.channel != "store" else None
    basket = _basket(state, record)
    validated = isinstance(event, BasketValidated) or (state.validated and basket == state.basket and paid is None)
    category = viewed.category if viewed and viewed.category is not UNSET else ""
    product = getattr(event, "product", UNSET)
    return msgspec.structs.replace(
        state,
        last_ms=at_ms,
        last_id=event_id,
        events=state.events + 1,
        revision=state.revision + 1,
        counted=(*state.counted, (at_ms, digest(event_id)))[-COUNTED:],
        sessions=state.sessions if isinstance(event, OrderStatusUpdated) else _sessions(state, record.session),
        basket=basket,
        validated=validated,
        page_kind=viewed.kind if viewed else state.page_kind,
        page_category=category if viewed else state.page_category,
        store=viewed.store if viewed and viewed.store is not UNSET else state.store,
        search=_search(state, event),
        event_type=type_name(event),
        event_product=product if isinstance(product, str) else "",
        event_status=event.status if isinstance(event, OrderStatusUpdated) else "",
        path=(state.path + _LETTERS[type(event)])[-PATH:],
        shown=_shown(state, event),
        order=_order(state, record),
        consent=consent,
    )
