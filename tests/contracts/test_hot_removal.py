"""What erasure and retention ask of hot data, whoever keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from layers.events.model import PageViewed
from layers.events.record import encode_record, milliseconds, read_row_key, row_key
from layers.retailers import Retailer, RetentionClass, family
from layers.scoring_runs.shards import Shard
from layers.stores.bigtable.port import HotEvent, HotEvents, ShopperRow, ShopperRows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNE, BERT, CARL = ("01" + letter * 32 for letter in "abc")


def seen(retailer: Retailer, shopper: str, days_ago: int, id: str) -> HotEvent:
    event = PageViewed(id=id, at=NOW - timedelta(days=days_ago), page="/")
    return HotEvent(
        row_key(retailer.id, shopper, event.at, id),
        family(RetentionClass.BROWSING, retailer.contract.browsing),
        milliseconds(event.at),
        encode_record(shopper, "s1", "web", NOW, msgspec.json.encode(event)),
    )


async def test_a_count_sees_what_readers_no_longer_show(hot_events: HotEvents, retailer: Retailer) -> None:
    expired = retailer.contract.browsing + 5
    await hot_events.write(
        [
            seen(retailer, ANNE, 1, "event-new"),
            seen(retailer, ANNE, expired, "event-old"),
            seen(retailer, BERT, 1, "e" * 8),
        ]
    )
    assert len(await hot_events.newest_first(retailer, ANNE, now=NOW)) == 1
    assert await hot_events.count_shopper(retailer.id, ANNE) == 2
    assert await hot_events.delete_shopper(retailer.id, ANNE) == 2
    assert await hot_events.count_shopper(retailer.id, ANNE) == 0
    assert await hot_events.count_shopper(retailer.id, BERT) == 1


async def test_keys_come_in_order_and_rows_may_go_meanwhile(hot_events: HotEvents, retailer: Retailer) -> None:
    written = [seen(retailer, who, days, f"event-{days:03d}") for who in (BERT, ANNE) for days in range(30)]
    await hot_events.write(written)
    found = []
    async for key in hot_events.keys(retailer.id):
        found.append(key)
        await hot_events.delete([key])
    assert found == sorted(event.key for event in written)
    assert [key async for key in hot_events.keys(retailer.id)] == []
    assert read_row_key(found[0]) == (ANNE, NOW)


async def test_a_profile_goes_and_the_consent_stays(shopper_rows: ShopperRows, retailer: Retailer) -> None:
    await shopper_rows.write_parameters(retailer.id, [(ANNE, b"p"), (BERT, b"p")], 1000)
    await shopper_rows.swap_state(retailer.id, ANNE, None, b"s")
    await shopper_rows.write_consent(retailer.id, ANNE, 1000, b"c")
    for _ in range(2):
        await shopper_rows.delete_profiles(retailer.id, [ANNE, BERT])
    assert await shopper_rows.read(retailer.id, ANNE) == ShopperRow(consent=b"c")
    assert [key async for key in shopper_rows.keys(retailer.id)] == [f"{retailer.id}#{ANNE}".encode()]
    assert await shopper_rows.swap_state(retailer.id, ANNE, None, b"again"), "no trace of the old state is left"


async def test_parameters_of_some_times_go_and_all_else_stays(shopper_rows: ShopperRows, retailer: Retailer) -> None:
    other = msgspec.structs.replace(retailer, id=f"{retailer.id}x")
    for at_ms in (1000, 2000, 3000):
        await shopper_rows.write_parameters(retailer.id, [(ANNE, b"p%d" % at_ms)], at_ms)
    await shopper_rows.write_parameters(retailer.id, [(BERT, b"older"), (CARL, b"older")], 1000)
    await shopper_rows.write_parameters(retailer.id, [(BERT, b"old")], 2000)
    await shopper_rows.write_parameters(other.id, [(BERT, b"another's")], 1000)
    await shopper_rows.write_consent(retailer.id, BERT, 1000, b"c")
    await shopper_rows.swap_state(retailer.id, BERT, None, b"s")
    for _ in range(2):
        await shopper_rows.delete_parameters(retailer.id, [ANNE, BERT, CARL], 0, 3000)
    assert await shopper_rows.read(retailer.id, ANNE) == ShopperRow(parameters=b"p3000")
    assert await shopper_rows.read(retailer.id, BERT) == ShopperRow(state=b"s", consent=b"c")
    assert await shopper_rows.read(retailer.id, CARL) == ShopperRow()
    assert await shopper_rows.read(other.id, BERT) == ShopperRow(parameters=b"another's")


async def test_what_is_taken_back_shows_what_was_before(shopper_rows: ShopperRows, retailer: Retailer) -> None:
    for at_ms in (1000, 2000, 3000):
        await shopper_rows.write_parameters(retailer.id, [(ANNE, b"p%d" % at_ms)], at_ms, [b"d%d" % at_ms])
    await shopper_rows.delete_parameters(retailer.id, [ANNE], 3000, 3001)
    assert (await shopper_rows.read(retailer.id, ANNE)).parameters == b"p2000"
    assert await digests(shopper_rows, retailer) == [(ANNE, 2000, b"d2000")]
    await shopper_rows.delete_parameters(retailer.id, [ANNE], 0, 3000)
    assert await shopper_rows.read(retailer.id, ANNE) == ShopperRow()
    assert [key async for key in shopper_rows.keys(retailer.id)] == [], "nothing is left of the row"
    await shopper_rows.delete_parameters(retailer.id, [], 0, 3000)


async def digests(rows: ShopperRows, retailer: Retailer, *ranges: tuple[str, str]) -> list[tuple[str, int, bytes]]:
    return [each async for each in rows.parameter_digests(retailer.id, ranges or Shard(0, 1).ranges())]


async def test_digests_are_told_of_the_newest_parameters_in_some_ranges(
    shopper_rows: ShopperRows, retailer: Retailer
) -> None:
    low, high, newer = "01" + "0" * 32, "01" + "8" * 32, "02" + "0" * 32
    other = msgspec.structs.replace(retailer, id=f"{retailer.id}x")
    await shopper_rows.write_parameters(retailer.id, [(low, b"new"), (high, b"h")], 2000, [b"new digest", b"of h"])
    await shopper_rows.write_parameters(retailer.id, [(low, b"late")], 1000, [b"late digest"])
    await shopper_rows.write_parameters(retailer.id, [(newer, b"n")], 1000)
    await shopper_rows.write_parameters(other.id, [(low, b"o")], 1000, [b"other"])
    await shopper_rows.write_consent(retailer.id, "01" + "1" * 32, 1000, b"c")
    first, second = (low, 2000, b"new digest"), (newer, 1000, b"")
    assert await digests(shopper_rows, retailer, *Shard(0, 2).ranges()) == [first, second]
    assert await digests(shopper_rows, retailer, *Shard(1, 2).ranges()) == [(high, 2000, b"of h")]
    await shopper_rows.write_parameters(retailer.id, [(low, b"without")], 3000)
    assert (await digests(shopper_rows, retailer))[0] == (low, 3000, b""), "an older digest is not the newest's"
    assert [each async for each in shopper_rows.parameter_digests(retailer.id, [])] == []
