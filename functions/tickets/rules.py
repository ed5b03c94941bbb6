"""Which events of a message are about a game: orders paid, orders cancelled. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from msgspec import UNSET, Struct

from layers.events.model import ConsentChanged, OrderPaid, OrderStatusUpdated
from layers.events.record import CorruptRecord, Record, decode_record
from layers.privacy.suppression import ErasedAt, digest, nobody
from layers.retailers import AbsentConsent, Retailer

HISTORY = "history"
"""The channel of past orders, delivered in bulk: nobody plays with one."""


UNSAID = "unsaid"
"""Of an order whose event does not tell how it was paid."""


class Asked(Struct, frozen=True):
    """One call of `rewards`. `shopper`: the pseudonym, to look the consent up; it is not sent."""

    path: str
    body: dict[str, object]
    shopper: str = ""


def cents(total: float) -> int:
    """Half a cent counts up."""
    return int((Decimal(str(total)) * 100).to_integral_value(ROUND_HALF_UP))


def asked(retailer_id: str, records: Iterable[Record], erased_at: ErasedAt = nobody) -> list[Asked]:
    """In the order of time, each order's payment and end once. What is erased counts for nobody: but a cancellation
    names no shopper, and ends a ticket all the same."""
    found: dict[tuple[str, str], Asked] = {}
    for record in sorted(records, key=lambda record: (record.event.at, record.event.id)):
        event = record.event
        if isinstance(event, OrderStatusUpdated) and event.is_end:
            body = {"retailer": retailer_id, "order": event.order, "at": event.at}
            found.setdefault(("void", event.order), Asked("/v1/tickets/void", body))
        if not isinstance(event, OrderPaid) or record.channel == HISTORY:
            continue
        erased = erased_at(record.shopper)
        if erased is not None and event.at <= erased:
            continue
        body = {
            "retailer": retailer_id,
            "shopper": digest(retailer_id, record.shopper),
            "order": event.order,
            "at": event.at,
            "cents": cents(event.total),
            "payment": UNSAID if event.payment is UNSET else event.payment,
        }
        if event.household is not UNSET:
            body["household"] = event.household
        found.setdefault(("paid", event.order), Asked("/v1/tickets", body, record.shopper))
    return list(found.values())


def takes_part(consent: bytes | None, retailer: Retailer, erased: datetime | None = None) -> bool:
    """Whether the shopper agreed to rewards. A consent that cannot be read may have been a refusal.

    Args:
        consent: the record of the newest one. erased: a consent of up to then is a former shopper's.
    """
    absent = retailer.absent_consent is AbsentConsent.GRANTED
    if consent is None:
        return absent
    try:
        event = decode_record(consent).event
    except CorruptRecord:
        return False
    if erased is not None and event.at <= erased:
        return absent
    return isinstance(event, ConsentChanged) and event.purposes.rewards
