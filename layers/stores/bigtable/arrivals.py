"""The table `arrivals`: one row a group commit and retailer, one column a shopper, kept for days.

One column a shopper, so that erasing one is a deletion like any other: nothing is read, changed and written back, so
two erasures at once cannot undo each other. Against one cell for the whole group it costs ingest up to 1 us an event,
when each event is another shopper's.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.record import KEY_SEPARATOR
from layers.stores.bigtable.cells import Cell
from layers.stores.bigtable.events import delete_rows
from layers.stores.bigtable.messages import RowFilter
from layers.stores.bigtable.port import Arrival, Unavailable
from layers.stores.bigtable.wire import BigtableWire, Entry, chain, delete_column, prefix_end, set_cell
from layers.stores.channel import open_channel
from layers.stores.tables import ARRIVALS, JOURNAL

_SEPARATOR = KEY_SEPARATOR.encode()
_EVENTS_A_ROW = 500
"""A request of a server may bring 1 000 shoppers, and the emulator's time grows with the square of a row's columns."""

_SHOPPERS_A_FILTER = 200
"""A filter may hold 20 kB; a pseudonym is 34 bytes."""

_DELETE_BATCH = 1000


def minute_key(retailer_id: str, moment: datetime) -> bytes:
    """What every row of this retailer and minute starts with; in the order of time."""
    return f"{retailer_id}{KEY_SEPARATOR}{moment.astimezone(UTC):%Y%m%d%H%M}{KEY_SEPARATOR}".encode()


def read_minute(key: bytes) -> datetime:
    """The minute that a row's key holds."""
    return datetime.strptime(key.split(_SEPARATOR)[1].decode(), "%Y%m%d%H%M").replace(tzinfo=UTC)


def columns_of(keys: Iterable[bytes]) -> dict[bytes, bytes]:
    """Under each pseudonym what its event keys have after it, a line each."""
    found: dict[bytes, bytes] = {}
    for key in keys:
        _, shopper, rest = key.split(_SEPARATOR, 2)
        found[shopper] = found[shopper] + b"\n" + rest if shopper in found else rest
    return found


def keys_of(retailer_id: str, columns: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The event keys that stood in these columns."""
    retailer = retailer_id.encode()
    return [_SEPARATOR.join((retailer, shopper, rest)) for shopper, value in columns for rest in value.split(b"\n")]


class RowNames:
    """Row keys that no other row has: a number drawn once for each instance, and a count."""

    def __init__(self) -> None:
        self._instance, self._count = secrets.token_hex(4), itertools.count()

    def rows(self, arrivals: Iterable[Arrival]) -> Iterator[tuple[bytes, int, dict[bytes, bytes]]]:
        """(row key, cell timestamp in ms, what stands in each column) of each row to write."""
        for arrival in arrivals:
            prefix, at_ms = minute_key(arrival.retailer_id, arrival.at), int(arrival.at.timestamp() * 1000)
            for first in range(0, len(arrival.keys), _EVENTS_A_ROW):
                name = f"{self._instance}{next(self._count) % 16**8:08x}".encode()
                yield prefix + name, at_ms, columns_of(arrival.keys[first : first + _EVENTS_A_ROW])


class BigtableArrivals:
    """Passes `tests/contracts/test_arrivals.py` together with its fake."""

    def __init__(self, wire: BigtableWire) -> None:
        self._wire, self._names = wire, RowNames()

    @classmethod
    def of(cls, values: Settings) -> BigtableArrivals:
        channel = open_channel("bigtable.googleapis.com", values.emulator("bigtable"))
        # Compare-and-set needs a profile that routes to one cluster; infra makes it with this name.
        return cls(BigtableWire(channel, values[settings.hot_table(ARRIVALS)], profile=ARRIVALS))

    async def note(self, arrivals: Sequence[Arrival]) -> None:
        if not all(await self._wire.set_columns(JOURNAL, self._names.rows(arrivals))):
            raise Unavailable("MutateRows: some rows were not noted")

    async def between(self, retailer_id: str, start: datetime, end: datetime) -> AsyncIterator[list[bytes]]:
        first, last = minute_key(retailer_id, start), minute_key(retailer_id, end)
        if first >= last:
            return
        async for _, cells in self._wire.read(first, last):
            yield keys_of(retailer_id, ((cell.qualifier, cell.value) for cell in cells))

    async def _places(self, retailer_id: str, shoppers: Sequence[str]) -> AsyncIterator[tuple[bytes, list[bytes]]]:
        """(row key, columns of these shoppers)."""
        prefix = f"{retailer_id}{KEY_SEPARATOR}".encode()
        for first in range(0, len(shoppers), _SHOPPERS_A_FILTER):
            among = "|".join(map(re.escape, shoppers[first : first + _SHOPPERS_A_FILTER])).encode()
            named = chain(RowFilter(column_qualifier_regex_filter=among), RowFilter(strip_value_transformer=True))
            async for key, cells in self._wire.read(prefix, prefix_end(prefix), named):
                yield key, [cell.qualifier for cell in cells]

    async def of_shopper(self, retailer_id: str, shopper: str) -> AsyncIterator[tuple[datetime, list[bytes]]]:
        prefix = f"{retailer_id}{KEY_SEPARATOR}".encode()
        named = RowFilter(column_qualifier_regex_filter=re.escape(shopper).encode())
        async for key, cells in self._wire.read(prefix, prefix_end(prefix), named):
            yield read_minute(key), keys_of(retailer_id, ((cell.qualifier, cell.value) for cell in cells))

    async def count_shoppers(self, retailer_id: str, shoppers: Sequence[str]) -> int:
        return sum([len(columns) async for _, columns in self._places(retailer_id, shoppers)])

    async def delete_shoppers(self, retailer_id: str, shoppers: Sequence[str]) -> int:
        deleted, entries = 0, list[Entry]()
        async for key, columns in self._places(retailer_id, shoppers):
            entries.append((key, [delete_column(JOURNAL, column) for column in columns]))
            deleted += len(columns)
            if len(entries) == _DELETE_BATCH:
                await self._delete_places(entries)
                entries = []
        await self._delete_places(entries)
        return deleted

    async def delete_named(
        self, retailer_id: str, start: datetime, end: datetime, goes: Callable[[bytes], bool]
    ) -> int:
        first, last = minute_key(retailer_id, start), minute_key(retailer_id, end)
        if first >= last:
            return 0
        deleted, entries = 0, list[Entry]()
        async for row, cells in self._wire.read(first, last):
            whole = list[Any]()
            for cell in cells:
                keys = keys_of(retailer_id, [(cell.qualifier, cell.value)])
                stay = [key for key in keys if not goes(key)]
                if not stay:
                    whole.append(delete_column(JOURNAL, cell.qualifier))
                elif len(stay) == len(keys) or not await self._rewritten(row, cell, columns_of(stay)[cell.qualifier]):
                    continue
                deleted += len(keys) - len(stay)
            if whole:
                entries.append((row, whole))
            if len(entries) == _DELETE_BATCH:
                await self._delete_places(entries)
                entries = []
        await self._delete_places(entries)
        return deleted

    async def _rewritten(self, row: bytes, known: Cell, value: bytes) -> bool:
        """Whether the place was still as it is `known`, by its timestamp, and holds the value now: an erasure that
        deletes it between the read and the write must not be undone. Each version is a millisecond older than the one
        before it, so that no place outlives its delay.
        """
        as_known = RowFilter()
        as_known.timestamp_range_filter.start_timestamp_micros = known.at_ms * 1000
        as_known.timestamp_range_filter.end_timestamp_micros = (known.at_ms + 1) * 1000
        place = RowFilter(column_qualifier_regex_filter=re.escape(known.qualifier))
        write = [delete_column(JOURNAL, known.qualifier), set_cell(JOURNAL, known.qualifier, known.at_ms - 1, value)]
        return await self._wire.check_and_mutate(row, chain(place, as_known), if_true=write)

    async def _delete_places(self, entries: list[Entry]) -> None:
        if not all(await self._wire.mutate(entries)):
            raise Unavailable("MutateRows: some places were not deleted")

    async def keys(self, retailer_id: str, before: datetime | None = None) -> AsyncIterator[bytes]:
        prefix = f"{retailer_id}{KEY_SEPARATOR}".encode()
        end = prefix_end(prefix) if before is None else minute_key(retailer_id, before)
        keys_only = chain(RowFilter(cells_per_row_limit_filter=1), RowFilter(strip_value_transformer=True))
        async for key, _ in self._wire.read(prefix, end, keys_only):
            yield key

    async def delete(self, keys: Sequence[bytes]) -> None:
        await delete_rows(self._wire, keys)
