"""Which shoppers a message's orders are of. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from layers.events.model import OrderPaid, OrderStatusUpdated
from layers.events.record import Record

STATUSES = ("delivered", "cancelled", "refunded")


def concerned(records: Iterable[Record]) -> list[str]:
    """Shoppers with an order paid, delivered, cancelled or refunded, by first mention. Past orders in bulk were
    promised nothing.
    """
    found: dict[str, None] = {}
    for record in records:
        event = record.event
        if record.channel != "history" and (
            isinstance(event, OrderPaid) or (isinstance(event, OrderStatusUpdated) and event.status in STATUSES)
        ):
            found.setdefault(record.shopper)
    return list(found)
