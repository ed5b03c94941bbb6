"""What every store of hot data promises, whoever keeps it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from layers.events.model import AddedToBasket, ConsentChanged, Event, OrderLine, OrderPaid, Purposes
from layers.events.record import decode_record, encode_record, milliseconds, row_key
from layers.retailers import Retailer, family
from layers.stores.bigtable.port import ConsentLine, HotEvent, HotEvents, ShopperRow, ShopperRows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNE, BERT, CARL = ("01" + letter * 32 for letter in "abc")


def hot(retailer: Retailer, shopper: str, event: Event) -> HotEvent:
    return HotEvent(
        row_key(retailer.id, shopper, event.at, event.id),
        family(event.retention, retailer.contract.days(event.retention)),
        milliseconds(event.at),
        encode_record(shopper, "s1", "web", NOW, msgspec.json.encode(event)),
    )


def added(minutes_ago: float, id: str) -> AddedToBasket:
    return AddedToBasket(id=id, at=NOW - timedelta(minutes=minutes_ago), product="p1", quantity=1, price=2.5)


def paid(days_ago: int, id: str) -> OrderPaid:
    return OrderPaid(id=id, at=NOW - timedelta(days=days_ago), order="o1", total=3, lines=(OrderLine("p1", 3),))


async def test_the_newest_event_comes_first_and_only_of_that_shopper(hot_events: HotEvents, retailer: Retailer) -> None:
    events = [hot(retailer, ANNE, added(m, f"event-{m:03d}")) for m in (5, 1, 9)] + [
        hot(retailer, BERT, added(2, "event-bert"))
    ]
    assert await hot_events.write(events) == [True] * 4
    found = await hot_events.newest_first(retailer, ANNE, now=NOW)
    assert [record.event.id for record in found] == ["event-001", "event-005", "event-009"]
    assert found[0].event == added(1, "event-001")
    assert (found[0].shopper, found[0].session, found[0].channel, found[0].received) == (ANNE, "s1", "web", NOW)


async def test_a_history_is_all_of_one_shopper_newest_first_and_within_the_contract(
    hot_events: HotEvents, retailer: Retailer
) -> None:
    ids = [f"event-{n:05d}" for n in range(1200)]
    await hot_events.write([hot(retailer, ANNE, added(n, id)) for n, id in enumerate(ids)])
    await hot_events.write([hot(retailer, ANNE, paid(500, "order-old")), hot(retailer, ANNE, paid(1096, "order-gone"))])
    await hot_events.write([hot(retailer, BERT, added(2, "event-bert"))])
    pages = [page async for page in hot_events.history(retailer, ANNE, now=NOW)]
    lines = [line for page in pages for line in page]
    assert [decode_record(line).event.id for line in lines] == [*ids, "order-old"]
    assert len(pages) > 1, "in pieces"
    assert [line async for page in hot_events.history(retailer, CARL, now=NOW) for line in page] == []


async def test_writing_twice_keeps_one(hot_events: HotEvents, retailer: Retailer) -> None:
    for _ in range(2):
        await hot_events.write([hot(retailer, ANNE, added(1, "event-one"))])
    assert len(await hot_events.newest_first(retailer, ANNE, now=NOW)) == 1


async def test_not_before_and_limit(hot_events: HotEvents, retailer: Retailer) -> None:
    await hot_events.write([hot(retailer, ANNE, added(m, f"event-{m:03d}")) for m in range(10)])
    not_before = NOW - timedelta(minutes=3)
    found = await hot_events.newest_first(retailer, ANNE, now=NOW, not_before=not_before)
    assert [record.event.id for record in found] == ["event-000", "event-001", "event-002", "event-003"]
    assert len(await hot_events.newest_first(retailer, ANNE, now=NOW, limit=2)) == 2


async def test_many_readers_at_once_get_each_their_own(hot_events: HotEvents, retailer: Retailer) -> None:
    shoppers = ["01" + f"{n:032x}" for n in range(150)]
    wanted = {who: [f"event-{who[-4:]}-{m}" for m in range(n % 4)] for n, who in enumerate(shoppers)}
    await hot_events.write([hot(retailer, who, added(m, id)) for who in shoppers for m, id in enumerate(wanted[who])])

    async def read(who: str, minutes: float, limit: int) -> list[str]:
        not_before = NOW - timedelta(minutes=minutes)
        found = await hot_events.newest_first(retailer, who, now=NOW, not_before=not_before, limit=limit)
        return [record.event.id for record in found]

    asked = [(who, minutes, limit) for who in shoppers for minutes, limit in ((9, 100), (1, 100), (9, 1))]
    found = await asyncio.gather(*(read(*one) for one in asked))
    assert found == [wanted[who][: int(minutes) + 1][:limit] for who, minutes, limit in asked]


async def test_readers_who_find_much_at_once_still_find_all_of_it(hot_events: HotEvents, retailer: Retailer) -> None:
    counts = {ANNE: 1500, BERT: 700, CARL: 1}
    await hot_events.write(
        [hot(retailer, who, added(n / 60, f"event-{n:04d}")) for who, count in counts.items() for n in range(count)]
    )
    not_before = NOW - timedelta(hours=1)
    reads = [
        hot_events.newest_first(retailer, who, now=NOW, not_before=not_before, limit=1600) for who in (CARL, BERT, ANNE)
    ]
    assert [len(found) for found in await asyncio.gather(*reads)] == [1, 700, 1500]


async def test_a_reader_never_sees_what_the_contract_has_expired(hot_events: HotEvents, retailer: Retailer) -> None:
    old = retailer.contract.browsing + 1
    await hot_events.write(
        [hot(retailer, ANNE, added(old * 24 * 60, "event-old")), hot(retailer, ANNE, paid(old, "order-old"))]
    )
    found = await hot_events.newest_first(retailer, ANNE, now=NOW)
    assert [record.event.id for record in found] == ["order-old"], "an order's contract is longer"


async def test_lines_by_key_of_what_is_there_and_within_the_contract(hot_events: HotEvents, retailer: Retailer) -> None:
    old = retailer.contract.browsing + 1
    stored = [hot(retailer, ANNE, added(m, f"event-{m:04d}")) for m in range(1500)] + [
        hot(retailer, BERT, paid(old, "order-old"))
    ]
    expired = hot(retailer, BERT, added(old * 24 * 60, "event-old"))
    former = HotEvent(stored[0].key + b"x", "consent_1825d", stored[0].at_ms, b"a line that nobody can read")
    never = hot(retailer, CARL, added(1, "event-never"))
    await hot_events.write([*stored, expired, former])
    asked = [event.key for event in (never, *reversed(stored), expired, former)]
    found = await hot_events.lines(retailer, asked, now=NOW)
    assert found == {event.key: event.line for event in (*stored, former)}
    assert await hot_events.lines(retailer, [never.key], now=NOW) == {}
    assert await hot_events.lines(retailer, [], now=NOW) == {}


async def test_keys_by_family_and_age_then_deleted(hot_events: HotEvents, retailer: Retailer) -> None:
    events = [hot(retailer, ANNE, added(m, f"event-{m:03d}")) for m in (1, 60)] + [
        hot(retailer, ANNE, paid(1, "order-one"))
    ]
    await hot_events.write(events)
    browsing = events[0].family
    before = NOW - timedelta(minutes=30)
    old = [key async for key in hot_events.keys(retailer.id, browsing, before)]
    assert old == [events[1].key]
    await hot_events.delete(old)
    await hot_events.delete(old)
    assert sorted([key async for key in hot_events.keys(retailer.id)]) == sorted([events[0].key, events[2].key])


async def test_deleting_a_shopper_leaves_the_others(hot_events: HotEvents, retailer: Retailer) -> None:
    await hot_events.write([hot(retailer, who, added(m, f"event-{m:03d}")) for who in (ANNE, BERT) for m in (1, 2)])
    assert await hot_events.delete_shopper(retailer.id, ANNE) == 2
    assert await hot_events.delete_shopper(retailer.id, ANNE) == 0
    assert await hot_events.newest_first(retailer, ANNE, now=NOW) == []
    assert len(await hot_events.newest_first(retailer, BERT, now=NOW)) == 2


async def test_state_is_written_only_over_what_was_read(shopper_rows: ShopperRows, retailer: Retailer) -> None:
    assert (await shopper_rows.read(retailer.id, ANNE)) == ShopperRow()
    assert await shopper_rows.swap_state(retailer.id, ANNE, None, b"one")
    assert not await shopper_rows.swap_state(retailer.id, ANNE, None, b"two"), "there is a state already"
    assert not await shopper_rows.swap_state(retailer.id, ANNE, b"zero", b"two")
    assert (await shopper_rows.read(retailer.id, ANNE)).state == b"one"
    assert await shopper_rows.swap_state(retailer.id, ANNE, b"one", b"two")
    assert (await shopper_rows.read(retailer.id, ANNE)).state == b"two"


async def test_many_rows_read_at_once_are_each_their_own(shopper_rows: ShopperRows, retailer: Retailer) -> None:
    shoppers = ["01" + f"{n:032x}" for n in range(150)]
    await shopper_rows.write_parameters(retailer.id, [(who, who.encode()) for who in shoppers[::2]], 1000)
    asked = [*shoppers, *reversed(shoppers)]
    found = await asyncio.gather(*(shopper_rows.read(retailer.id, who) for who in asked))
    there = set(shoppers[::2])
    assert found == [ShopperRow(parameters=who.encode()) if who in there else ShopperRow() for who in asked]


async def test_consents_are_read_without_the_events_between_them(hot_events: HotEvents, retailer: Retailer) -> None:
    newest, older, expired = (
        ConsentChanged(id=f"consent-{days:04d}", at=NOW - timedelta(days=days), purposes=Purposes())
        for days in (0, 9, 4000)
    )
    agreed: list[Event] = [newest, older]
    between = [added(minutes, f"event-{minutes:05d}") for minutes in range(12)]
    await hot_events.write([hot(retailer, ANNE, event) for event in [*agreed, expired, *between]])
    await hot_events.write([hot(retailer, BERT, agreed[0])])
    found = await hot_events.consents(retailer, ANNE, now=NOW)
    assert [(record.shopper, record.event) for record in found] == [(ANNE, event) for event in agreed]


async def test_consents_of_many_are_written_at_once_and_the_newest_wins(
    shopper_rows: ShopperRows, retailer: Retailer
) -> None:
    told = [(ANNE, 2000, b"second"), (BERT, 1500, b"other"), (ANNE, 1000, b"first")]
    lines = [ConsentLine(retailer.id, *one) for one in told]
    assert await shopper_rows.write_consents(lines) == [True, True, True]
    assert await shopper_rows.write_consents([]) == []
    assert await shopper_rows.read(retailer.id, ANNE) == ShopperRow(consent=b"second")
    assert await shopper_rows.read(retailer.id, BERT) == ShopperRow(consent=b"other")


async def test_the_newest_consent_and_parameters_win_in_any_order(
    shopper_rows: ShopperRows, retailer: Retailer
) -> None:
    for at_ms, value in ((2000, b"second"), (1000, b"first")):
        await shopper_rows.write_consent(retailer.id, ANNE, at_ms, value)
        await shopper_rows.write_parameters(retailer.id, [(ANNE, value), (BERT, value)], at_ms)
    assert await shopper_rows.read(retailer.id, ANNE) == ShopperRow(parameters=b"second", consent=b"second")
    assert (await shopper_rows.read(retailer.id, BERT)).parameters == b"second"


async def test_a_shopper_row_is_deleted_once(shopper_rows: ShopperRows, retailer: Retailer) -> None:
    await shopper_rows.write_parameters(retailer.id, [(ANNE, b"1"), (BERT, b"2")], 1000)
    await shopper_rows.swap_state(retailer.id, ANNE, None, b"one")
    assert await shopper_rows.delete_shopper(retailer.id, ANNE) == 1
    assert await shopper_rows.delete_shopper(retailer.id, ANNE) == 0
    assert await shopper_rows.read(retailer.id, ANNE) == ShopperRow()
    keys = [key async for key in shopper_rows.keys(retailer.id)]
    assert keys == [f"{retailer.id}#{BERT}".encode()]
    await shopper_rows.delete(keys)
    assert [key async for key in shopper_rows.keys(retailer.id)] == []


async def test_former_parameters_are_told_and_go_with_the_profile(
    shopper_rows: ShopperRows, retailer: Retailer
) -> None:
    for version in range(3):
        await shopper_rows.write_parameters(retailer.id, [(ANNE, b"%d" % version)], version + 1)
    await shopper_rows.write_consent(retailer.id, ANNE, 1, b"c")
    assert (await shopper_rows.read(retailer.id, ANNE)).parameters == b"2"
    assert await shopper_rows.former_parameters(retailer.id, ANNE) == [b"1", b"0"]
    assert await shopper_rows.former_parameters(retailer.id, BERT) == []
    await shopper_rows.delete_profiles(retailer.id, [ANNE])
    assert await shopper_rows.former_parameters(retailer.id, ANNE) == []
