"""Which shoppers a message's orders are of. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET

from layers.events.model import OrderPaid, OrderStatusUpdated
from layers.events.record import Record

STATUSES = ("delivered", "cancelled", "refunded")


def concerned(records: Iterable[Record]) -> list[str]:
    """Shoppers with an order paid, delivered, cancelled, refunded or amended, by first mention. Past orders in bulk
    were promised nothing.
    """
    found: dict[str, None] = {}
    for record in records:
        event = record.event
        amended = isinstance(event, OrderStatusUpdated) and (event.status in STATUSES or event.kept is not UNSET)
        if record.channel != "history" and (amended or isinstance(event, OrderPaid)):
            found.setdefault(record.shopper)
    return list(found)
