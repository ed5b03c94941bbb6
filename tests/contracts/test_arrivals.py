"""What every journal of arrivals promises, whoever keeps it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from layers.events.record import row_key
from layers.retailers import Retailer
from layers.stores.bigtable.arrivals import BigtableArrivals, read_minute
from layers.stores.bigtable.fake import FakeArrivals
from layers.stores.bigtable.port import Arrival, Arrivals

NOW = datetime(2026, 11, 20, 12, 30, 40, tzinfo=UTC)
ANNE, BERT, CARL = ("01" + letter * 32 for letter in "abc")


def key(retailer: Retailer, shopper: str, number: int) -> bytes:
    return row_key(retailer.id, shopper, NOW - timedelta(days=number), f"event-{number:03d}")


def noted(retailer: Retailer, at: datetime, *keys: bytes) -> Arrival:
    return Arrival(retailer.id, at, keys)


async def found(journal: Arrivals, retailer: Retailer, start: datetime, end: datetime) -> list[list[bytes]]:
    return [sorted(row) async for row in journal.between(retailer.id, start, end)]


async def all_of(journal: Arrivals, retailer: Retailer) -> list[bytes]:
    return sorted(sum(await found(journal, retailer, NOW - timedelta(days=9), NOW + timedelta(days=9)), list[bytes]()))


def flat(keys: Iterable[bytes]) -> list[bytes]:
    return sorted(keys)


async def test_what_was_noted_is_found_in_its_minutes(arrivals: Arrivals, retailer: Retailer) -> None:
    first = [key(retailer, ANNE, 1), key(retailer, BERT, 2), key(retailer, ANNE, 3)]
    second = [key(retailer, CARL, 4)]
    later = NOW + timedelta(minutes=1)
    await arrivals.note([noted(retailer, NOW, *first), noted(retailer, later, *second)])
    minute = timedelta(minutes=1)
    assert await found(arrivals, retailer, NOW, later) == [flat(first)]
    assert await found(arrivals, retailer, later, later + minute) == [second]
    assert await found(arrivals, retailer, NOW, later + minute) == [flat(first), second]
    assert await found(arrivals, retailer, NOW - minute, NOW) == []
    assert await found(arrivals, retailer, NOW, NOW) == []


async def test_each_group_has_a_row_of_its_own_even_in_one_minute(arrivals: Arrivals, retailer: Retailer) -> None:
    for number in range(5):
        await arrivals.note([noted(retailer, NOW, key(retailer, ANNE, number))])
    rows = await found(arrivals, retailer, NOW, NOW + timedelta(minutes=1))
    assert sorted(rows) == sorted([key(retailer, ANNE, number)] for number in range(5))


async def test_a_large_group_is_noted_whole(arrivals: Arrivals, retailer: Retailer) -> None:
    keys = [row_key(retailer.id, f"01{number:032x}", NOW, f"event-{number:04d}") for number in range(1200)]
    await arrivals.note([noted(retailer, NOW, *keys)])
    assert await all_of(arrivals, retailer) == flat(keys)


async def test_nobody_sees_another_retailers(arrivals: Arrivals, retailer: Retailer) -> None:
    other = Retailer(id=f"{retailer.id}x", name="O", write_key="x" * 16, read_key="y" * 16, origins=())
    await arrivals.note([noted(retailer, NOW, key(retailer, ANNE, 1)), noted(other, NOW, key(other, ANNE, 2))])
    assert await all_of(arrivals, retailer) == [key(retailer, ANNE, 1)]
    assert await arrivals.delete_shoppers(retailer.id, [ANNE]) == 1
    assert await all_of(arrivals, other) == [key(other, ANNE, 2)]


async def test_a_shopper_goes_and_the_neighbours_in_its_rows_stay(arrivals: Arrivals, retailer: Retailer) -> None:
    mixed = [key(retailer, ANNE, 1), key(retailer, BERT, 2), key(retailer, ANNE, 3)]
    await arrivals.note([noted(retailer, NOW, *mixed), noted(retailer, NOW, key(retailer, ANNE, 4))])
    assert await arrivals.count_shoppers(retailer.id, [ANNE]) == 2, "in two rows"
    assert await arrivals.count_shoppers(retailer.id, [ANNE, BERT, CARL]) == 3
    assert await arrivals.delete_shoppers(retailer.id, [ANNE, CARL]) == 2
    assert await arrivals.delete_shoppers(retailer.id, [ANNE, CARL]) == 0, "harmless when repeated"
    assert await arrivals.count_shoppers(retailer.id, [ANNE, CARL]) == 0
    assert await all_of(arrivals, retailer) == [key(retailer, BERT, 2)]
    assert len([each async for each in arrivals.keys(retailer.id)]) == 1, "a row that names nobody is gone"


async def test_many_shoppers_are_counted_and_deleted_each_once(arrivals: Arrivals, retailer: Retailer) -> None:
    shoppers = [f"01{number:032x}" for number in range(450)]
    await arrivals.note([noted(retailer, NOW, *(key(retailer, shopper, 1) for shopper in shoppers))])
    await arrivals.note([noted(retailer, NOW, key(retailer, BERT, 1))])
    assert await arrivals.count_shoppers(retailer.id, shoppers) == 450
    assert await arrivals.delete_shoppers(retailer.id, shoppers) == 450
    assert await all_of(arrivals, retailer) == [key(retailer, BERT, 1)]
    assert await arrivals.count_shoppers(retailer.id, []) == await arrivals.delete_shoppers(retailer.id, []) == 0


async def test_rows_from_before_a_minute_are_listed_and_deleted(arrivals: Arrivals, retailer: Retailer) -> None:
    minutes = [NOW + timedelta(minutes=number) for number in range(4)]
    for at in reversed(minutes):
        await arrivals.note([noted(retailer, at, key(retailer, ANNE, 1))])
    old = []
    async for each in arrivals.keys(retailer.id, minutes[2]):
        old.append(each)
        await arrivals.delete([each])
    assert [read_minute(each) for each in old] == [at.replace(second=0) for at in minutes[:2]]
    kept = [read_minute(each) async for each in arrivals.keys(retailer.id)]
    assert kept == [at.replace(second=0) for at in minutes[2:]]
    await arrivals.delete(old)


async def test_one_shoppers_arrivals_with_their_minutes(arrivals: Arrivals, retailer: Retailer) -> None:
    first, second = [key(retailer, ANNE, 1), key(retailer, ANNE, 2)], [key(retailer, ANNE, 3)]
    later = NOW + timedelta(minutes=1)
    await arrivals.note([noted(retailer, NOW, *first, key(retailer, BERT, 4)), noted(retailer, later, *second)])
    minutes = [moment.replace(second=0) for moment in (NOW, later)]
    told = [(minute, flat(keys)) async for minute, keys in arrivals.of_shopper(retailer.id, ANNE)]
    assert told == [(minutes[0], flat(first)), (minutes[1], second)]
    assert [keys async for _, keys in arrivals.of_shopper(retailer.id, CARL)] == []


async def test_only_the_names_that_must_go_go_from_a_place(arrivals: Arrivals, retailer: Retailer) -> None:
    mixed = [key(retailer, ANNE, 1), key(retailer, BERT, 2), key(retailer, ANNE, 3), key(retailer, ANNE, 5)]
    await arrivals.note([noted(retailer, NOW, *mixed), noted(retailer, NOW, key(retailer, ANNE, 4))])
    await arrivals.note([noted(retailer, NOW - timedelta(hours=1), key(retailer, ANNE, 3))])
    late = {key(retailer, ANNE, number) for number in (3, 4)}
    whole_hour = (NOW, NOW + timedelta(hours=1))
    assert await arrivals.delete_named(retailer.id, *whole_hour, late.__contains__) == 2
    assert await arrivals.delete_named(retailer.id, *whole_hour, late.__contains__) == 0, "harmless when repeated"
    assert await arrivals.delete_named(retailer.id, NOW, NOW, lambda _: True) == 0
    left = flat([key(retailer, ANNE, 1), key(retailer, ANNE, 5), key(retailer, BERT, 2)])
    assert await found(arrivals, retailer, *whole_hour) == [left]
    assert await arrivals.count_shoppers(retailer.id, [ANNE]) == 2, "the hour before was not asked for"
    assert await arrivals.delete_named(retailer.id, *whole_hour, lambda _: True) == 3
    assert len([each async for each in arrivals.keys(retailer.id)]) == 1, "a row that names nobody is gone"


async def test_a_place_that_an_erasure_deletes_meanwhile_stays_deleted(
    arrivals: Arrivals, retailer: Retailer, request: pytest.FixtureRequest
) -> None:
    """`goes` is asked between the read and the write: there an erasure comes in, on a thread and client of its own."""
    await arrivals.note([noted(retailer, NOW, key(retailer, ANNE, 1), key(retailer, ANNE, 2), key(retailer, BERT, 3))])
    erased: list[int] = []

    async def erase() -> None:
        fake = isinstance(arrivals, FakeArrivals)
        other = arrivals if fake else BigtableArrivals.of(request.getfixturevalue("bigtable_settings"))
        erased.append(await other.delete_shoppers(retailer.id, [ANNE]))

    def goes(each: bytes) -> bool:
        if not erased:
            thread = threading.Thread(target=asyncio.run, args=[erase()])
            thread.start()
            thread.join()
        return each == key(retailer, ANNE, 1)

    await arrivals.delete_named(retailer.id, NOW, NOW + timedelta(minutes=1), goes)
    assert erased == [1]
    assert await all_of(arrivals, retailer) == [key(retailer, BERT, 3)]
