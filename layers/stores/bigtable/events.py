"""The table `events`: one row an event, newest first within a shopper."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.record import Record, decode_record, milliseconds, row_key, row_prefix
from layers.retailers import Retailer, RetentionClass
from layers.stores.bigtable.messages import RowFilter
from layers.stores.bigtable.port import HotEvent, Unavailable
from layers.stores.bigtable.together import Together
from layers.stores.bigtable.wire import BigtableWire, Row, chain, delete_row, prefix_end
from layers.stores.channel import open_channel
from layers.stores.tables import EVENTS

QUALIFIER = b"e"
_DELETE_BATCH = 1000
_READ_BATCH = 1000
_HISTORY_ROWS = 500
_SHARED_ROWS = 2000
"""Of all shoppers in one call together."""

MOST_CONSENTS = 1000
"""Of one shopper."""

_LATEST = RowFilter(cells_per_column_limit_filter=1)


def within_contract(record: Record, retailer: Retailer, now: datetime) -> bool:
    """Whether it may still be read. Garbage collection is lazy, so a reader decides for itself."""
    return record.event.at >= now - timedelta(days=retailer.contract.days(record.event.retention))


def kept_still(family: str, at_ms: int, retailer: Retailer, now: datetime) -> bool:
    """The same of a row that is not decoded. Its family may be of a former contract, so only its class counts."""
    retention = RetentionClass(family.rpartition("_")[0])
    return at_ms >= milliseconds(now - timedelta(days=retailer.contract.days(retention)))


def newest_range(retailer_id: str, shopper: str, not_before: datetime | None) -> tuple[bytes, bytes]:
    """The keys of a shopper's events at `not_before` or later: reversed time puts them at the front."""
    prefix = row_prefix(retailer_id, shopper).encode()
    if not_before is None:
        return prefix, prefix_end(prefix)
    return prefix, prefix_end(row_key(retailer_id, shopper, not_before, ""))


class BigtableHotEvents:
    """Passes `tests/contracts/test_hot.py` together with its fake."""

    def __init__(self, wire: BigtableWire) -> None:
        self._wire = wire
        self._newest = Together(self._newest_of_all)

    @classmethod
    def of(cls, values: Settings) -> BigtableHotEvents:
        channel = open_channel("bigtable.googleapis.com", values.emulator("bigtable"))
        return cls(BigtableWire(channel, values[settings.hot_table(EVENTS)]))

    async def write(self, events: Sequence[HotEvent]) -> list[bool]:
        return await self._wire.set_cells(
            QUALIFIER, [(event.key, event.family, event.at_ms, event.line) for event in events]
        )

    async def newest_first(
        self, retailer: Retailer, shopper: str, *, now: datetime, not_before: datetime | None = None, limit: int = 1000
    ) -> list[Record]:
        wanted = newest_range(retailer.id, shopper, not_before)
        # From the beginning of time, a shopper's events may be many: such a read shares its call with no other.
        found = await self._newest(wanted) if not_before is not None else None
        if found is None:
            found = await self._wire.read_ranges([wanted], _LATEST, limit)
        records = [decode_record(cells[0].value) for _, cells in found[:limit]]
        return [record for record in records if within_contract(record, retailer, now)]

    async def _newest_of_all(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[list[Row] | None]:
        """Of each range its rows; None where they may not be all."""
        rows = await self._wire.read_ranges(ranges, _LATEST, _SHARED_ROWS)
        if len(rows) == _SHARED_ROWS:
            return [None] * len(ranges)
        keys = [key for key, _ in rows]
        return [rows[bisect_left(keys, start) : bisect_left(keys, end)] for start, end in ranges]

    async def consents(self, retailer: Retailer, shopper: str, *, now: datetime) -> list[Record]:
        only = chain(RowFilter(family_name_regex_filter=f"{RetentionClass.CONSENT}_.*"), _LATEST)
        found = await self._wire.read_ranges([newest_range(retailer.id, shopper, None)], only, MOST_CONSENTS)
        records = [decode_record(cells[0].value) for _, cells in found]
        return [record for record in records if within_contract(record, retailer, now)]

    async def lines(self, retailer: Retailer, keys: Sequence[bytes], *, now: datetime) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for first in range(0, len(keys), _READ_BATCH):
            async for key, cells in self._wire.read_keys(keys[first : first + _READ_BATCH], _LATEST):
                if kept_still(cells[0].family, cells[0].at_ms, retailer, now):
                    found[key] = cells[0].value
        return found

    async def history(self, retailer: Retailer, shopper: str, *, now: datetime) -> AsyncIterator[list[bytes]]:
        start, end = newest_range(retailer.id, shopper, None)
        while True:
            rows = await self._wire.read_ranges([(start, end)], _LATEST, _HISTORY_ROWS)
            yield [c[0].value for _, c in rows if kept_still(c[0].family, c[0].at_ms, retailer, now)]
            if len(rows) < _HISTORY_ROWS:
                return
            # The first key after the last one that was read.
            start = rows[-1][0] + b"\0"

    async def _of_shopper(self, retailer_id: str, shopper: str) -> list[bytes]:
        return [key async for key in self._keys(row_prefix(retailer_id, shopper), None, None)]

    async def count_shopper(self, retailer_id: str, shopper: str) -> int:
        return len(await self._of_shopper(retailer_id, shopper))

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        keys = await self._of_shopper(retailer_id, shopper)
        await self.delete(keys)
        return len(keys)

    async def keys(
        self, retailer_id: str, family: str | None = None, before: datetime | None = None
    ) -> AsyncIterator[bytes]:
        async for key in self._keys(f"{retailer_id}#", family, before):
            yield key

    async def _keys(self, prefix: str, family: str | None, before: datetime | None) -> AsyncIterator[bytes]:
        filters = [RowFilter(cells_per_row_limit_filter=1), RowFilter(strip_value_transformer=True)]
        if before is not None:
            older = RowFilter()
            older.timestamp_range_filter.end_timestamp_micros = milliseconds(before) * 1000
            filters.insert(0, older)
        if family is not None:
            filters.insert(0, RowFilter(family_name_regex_filter=family))
        start = prefix.encode()
        async for key, _ in self._wire.read(start, prefix_end(start), chain(*filters)):
            yield key

    async def delete(self, keys: Sequence[bytes]) -> None:
        await delete_rows(self._wire, keys)


async def delete_rows(wire: BigtableWire, keys: Sequence[bytes]) -> None:
    """Raises:
    Unavailable: some rows are not known to be deleted; deleting again is harmless.
    """
    for first in range(0, len(keys), _DELETE_BATCH):
        done = await wire.mutate([(key, [delete_row()]) for key in keys[first : first + _DELETE_BATCH]])
        if not all(done):
            raise Unavailable("MutateRows: some rows were not deleted")
