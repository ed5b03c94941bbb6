"""No reader of hot events gives out what its retailer's contract no longer allows, and none hides what it does: garbage
collection and the purge come later, and neither moves the line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from functions.retention_purge.rules import cutoff
from layers.events.model import EVENT_TYPES, ConsentChanged, Event, OrderLine, OrderPaid, PageViewed, Purposes
from layers.events.record import encode_record, milliseconds, row_key
from layers.retailers import Contract, Retailer, RetentionClass, family
from layers.stores.bigtable.fake import FakeHotEvents
from layers.stores.bigtable.port import HotEvent
from layers.stores.tables import EVENT_CLASSES

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
ANNE = "01" + "a" * 32
DAYS = st.integers(1, 60)


def _made(retention: RetentionClass, id: str, at: datetime) -> Event:
    match retention:
        case RetentionClass.BROWSING:
            return PageViewed(id=id, at=at, page="/")
        case RetentionClass.TRANSACTIONS:
            return OrderPaid(id=id, at=at, order="o", total=1, lines=(OrderLine("p", 1),))
        case _:
            return ConsentChanged(id=id, at=at, purposes=Purposes())


AGES = st.lists(
    st.tuples(st.sampled_from(EVENT_CLASSES), st.integers(0, 61 * 86_400_000), st.integers(1, 60)), max_size=12
)


def test_every_class_of_events_is_tried() -> None:
    assert {kind.retention for kind in EVENT_TYPES} == set(EVENT_CLASSES)


def _shop(browsing: int, transactions: int, consent: int) -> Retailer:
    contract = Contract(browsing=browsing, transactions=transactions, consent=consent)
    return Retailer(id="shop", name="Shop", write_key="w" * 16, read_key="r" * 16, origins=(), contract=contract)


def _stored(event: Event, written_under: int) -> HotEvent:
    """In the family of whatever contract held when it was written."""
    return HotEvent(
        row_key("shop", ANNE, event.at, event.id),
        family(event.retention, written_under),
        milliseconds(event.at),
        encode_record(ANNE, "s", "web", NOW, msgspec.json.encode(event)),
    )


@given(DAYS, DAYS, DAYS, AGES)
def test_readers_give_out_just_what_the_purge_would_leave(
    browsing: int, transactions: int, consent: int, ages: list[tuple[RetentionClass, int, int]]
) -> None:
    shop = _shop(browsing, transactions, consent)
    events = [
        (_made(retention, f"event-{number:04d}", NOW - timedelta(milliseconds=age)), written_under)
        for number, (retention, age, written_under) in enumerate(ages)
    ]
    allowed = {event.id for event, _ in events if event.at >= cutoff(shop, event.retention, NOW)}

    async def read() -> tuple[set[str], set[str]]:
        hot = FakeHotEvents()
        await hot.write([_stored(event, days) for event, days in events])
        newest = await hot.newest_first(shop, ANNE, now=NOW)
        lines = await hot.lines(shop, list(hot.rows), now=NOW)
        return {record.event.id for record in newest}, {key.decode().rsplit("#", 1)[1] for key in lines}

    assert asyncio.run(read()) == (allowed, allowed)
