"""Today, as it happens: visits whose every action is of the moment at which it is sent, and the end of their orders.

The baskets are real, of the day of the data that is moved to today; that they are filled within a minute, who refuses
personalisation, and which orders are cancelled or brought back is invented. Pure but for `play_today`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Literal

from msgspec import UNSET, UnsetType, structs

from emulators.shop.assortment import Assortment
from emulators.shop.journey_data import LIVE_DAY, live_day_for, moved, shift_for
from emulators.shop.journey_files import read_orders
from emulators.shop.live_day import SHOPPERS_AT_A_TIME, Played, Watch, play_all
from emulators.shop.sessions import Session, event_id, live_day
from emulators.shop.tracker import Front, Tracker
from layers.events.model import ConsentChanged, Event, Kept, KeptLine, OrderPaid, OrderStatusUpdated, Purposes

ORDERS = 96
"""Of the day's some four hundred: enough for every kind of experience, in half a minute."""

REFUSES_ONE_IN = 12
"""Shoppers who refuse personalisation as they come in."""

End = Literal["delivered", "cancelled", "refunded"]

_REFUSAL = Purposes(measurement=True, rewards=True)


def visits(today: date, orders: int | None, assortment: Assortment) -> list[list[Session]]:
    """By shopper.

    Args:
        today: in the shops' time zone. orders: at most; None for as many as the story takes.
    """
    day = LIVE_DAY + (today - live_day_for(today))
    found = [moved(order, shift_for(today)) for order in read_orders(day, day)]
    wanted = min(orders or ORDERS, ORDERS)
    spread = found[:: max(1, len(found) // wanted)][:wanted]
    return [[refusing(session) for session in theirs] for theirs in live_day(spread, assortment)]


def refusing(session: Session) -> Session:
    """With a refusal before all else, if this shopper is one who refuses."""
    if number(session.shopper) % REFUSES_ONE_IN:
        return session
    first = session.events[0]
    said = ConsentChanged(id=event_id(session.order.id, "consent"), at=first.at, purposes=_REFUSAL)
    return structs.replace(session, events=(said, *session.events))


def ends(order_id: str) -> tuple[End, ...]:
    """The statuses that follow an order's payment: most are delivered, one in eight is cancelled, one brought back."""
    match number(order_id) % 8:
        case 0:
            return ("cancelled",)
        case 1:
            return ("delivered", "refunded")
        case _:
            return ("delivered",)


def kept_of(paid: OrderPaid) -> Kept | UnsetType:
    """What is delivered of an order, where that is not all: of one in eight, the last line was not in stock."""
    if number(paid.order) % 8 != 2 or len(paid.lines) < 2:
        return UNSET
    lines = tuple(KeptLine(**structs.asdict(line)) for line in paid.lines[:-1])
    return Kept(total=max(0.0, round(paid.total - paid.lines[-1].paid, 2)), lines=lines)


def number(text: str) -> int:
    """The same text, the same number: chance without a generator."""
    return int.from_bytes(sha256(f"today {text}".encode()).digest()[:4], "big")


def now_ms() -> datetime:
    """As a tracker writes it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def stamped(event: Event) -> Event:
    return structs.replace(event, at=now_ms())


async def play_today(
    front: Front, shoppers: Sequence[Sequence[Session]], progress: Callable[[int], None], watch: Watch
) -> Played:
    """Every visit, and then how each order ends.

    Said at once after the payment, an end may be settled before decisioning has written down what it settles
    (2026-11-22: 4 of 20 promises); no shop delivers that soon.
    """
    played = await play_all(front, shoppers, progress, SHOPPERS_AT_A_TIME, stamped, watch)
    sessions = {session.order.id: session.id for theirs in shoppers for session in theirs}
    tracker = Tracker(front, played.tally)
    try:
        for order, (customer, payment) in paid(shoppers, played).items():
            for status in statuses(payment):
                played.events[status.id] = status
                await tracker.send(customer, sessions[order], status)
    finally:
        tracker.close()
    return played


def statuses(payment: OrderPaid) -> list[OrderStatusUpdated]:
    """What follows a payment, of now."""
    return [
        OrderStatusUpdated(
            id=event_id(payment.order, end),
            at=now_ms() + timedelta(milliseconds=number),
            order=payment.order,
            status=end,
            kept=kept_of(payment) if end == "delivered" else UNSET,
        )
        for number, end in enumerate(ends(payment.order), 2)
    ]


def whose(shoppers: Iterable[Iterable[Session]]) -> dict[str, str]:
    """The customer of each action."""
    return {event.id: visit.shopper for theirs in shoppers for visit in theirs for event in visit.events}


def paid(shoppers: Iterable[Iterable[Session]], played: Played) -> dict[str, tuple[str, OrderPaid]]:
    """Customer and payment of each order, as it was sent."""
    found = {}
    for visit in (visit for theirs in shoppers for visit in theirs):
        event = played.events[visit.events[-1].id]
        assert isinstance(event, OrderPaid), "a visit ends with its payment"
        found[event.order] = (visit.shopper, event)
    return found
