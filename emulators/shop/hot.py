"""Reads Bigtable as it lies there, beside all functions: what is stored, what is older than its contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.record import milliseconds
from layers.retailers import Retailer, family
from layers.stores.bigtable.cells import Cell
from layers.stores.bigtable.messages import RowFilter
from layers.stores.bigtable.wire import BigtableWire, prefix_end
from layers.stores.channel import open_channel
from layers.stores.tables import ARRIVALS, EVENT_CLASSES, EVENTS, PARAMETERS, SHOPPERS

T = TypeVar("T")
TABLES = (EVENTS, SHOPPERS, ARRIVALS)


def stored_ids(values: Settings, retailer_id: str) -> set[str]:
    """Ids of all events that the table `events` holds of a retailer."""

    async def read(wire: BigtableWire) -> set[str]:
        keys = _rows(wire, f"{retailer_id}#".encode(), RowFilter(strip_value_transformer=True))
        return {key.rsplit(b"#", 1)[-1].decode() async for key, _ in keys}

    return _with_table(values, EVENTS, read)


def shoppers_with_parameters(values: Settings, retailer_id: str, since: datetime | None = None) -> int:
    """Args:
    since: the moment of a run: only what it or a later one wrote.
    """
    since_ms = 0 if since is None else milliseconds(since)

    async def read(wire: BigtableWire) -> int:
        rows = _rows(wire, f"{retailer_id}#".encode(), RowFilter(family_name_regex_filter=PARAMETERS))
        return sum([any(cell.at_ms >= since_ms for cell in cells) async for _, cells in rows])

    return _with_table(values, SHOPPERS, read)


def record_lines(values: Settings, retailer_id: str) -> list[bytes]:
    """All events of a retailer as they are stored, those brought along as history left out."""

    async def read(wire: BigtableWire) -> list[bytes]:
        rows = _rows(wire, f"{retailer_id}#".encode())
        return [cell.value async for _, cells in rows for cell in cells[:1] if b'"channel":"history"' not in cell.value]

    return _with_table(values, EVENTS, read)


def parameters_by_shopper(values: Settings, retailer_id: str) -> list[tuple[str, bytes]]:
    """(pseudonym, newest parameters as they are stored)."""

    async def read(wire: BigtableWire) -> list[tuple[str, bytes]]:
        rows = _rows(wire, f"{retailer_id}#".encode(), RowFilter(family_name_regex_filter=PARAMETERS))
        newest = [(key, max(cells, key=lambda cell: cell.at_ms)) async for key, cells in rows]
        return [(key.decode().rpartition("#")[2], cell.value) for key, cell in newest]

    return _with_table(values, SHOPPERS, read)


def rows_with(values: Settings, table: str, text: bytes) -> int:
    """Rows of a table, of all retailers, whose key or any cell holds `text`."""

    async def read(wire: BigtableWire) -> int:
        found = 0
        async for key, cells in _rows(wire, b""):
            found += text in key or any(text in cell.value or text in cell.qualifier for cell in cells)
        return found

    return _with_table(values, table, read)


def census(values: Settings, retailer: Retailer, now: datetime) -> tuple[int, int]:
    """How many events of a retailer are stored, and how many of them are older than its contract allows at `now`."""
    limits = {
        family(each, days): milliseconds(now - timedelta(days=days))
        for each in EVENT_CLASSES
        for days in (retailer.contract.days(each),)
    }

    async def read(wire: BigtableWire) -> tuple[int, int]:
        stored = beyond = 0
        async for _, cells in _rows(wire, f"{retailer.id}#".encode(), RowFilter(strip_value_transformer=True)):
            stored += 1
            beyond += any(cell.at_ms < limits[cell.family] for cell in cells)
        return stored, beyond

    return _with_table(values, EVENTS, read)


async def _rows(wire: BigtableWire, prefix: bytes, only: Any = None) -> AsyncIterator[tuple[bytes, list[Cell]]]:
    end = prefix_end(prefix) if prefix else b"\xff"
    async for row in wire.read(prefix, end, only):
        yield row


def _with_table(values: Settings, table: str, read: Callable[[BigtableWire], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        channel = open_channel("bigtable.googleapis.com", values.emulator("bigtable"))
        try:
            return await read(BigtableWire(channel, values[settings.hot_table(table)]))
        finally:
            await channel.close()

    return asyncio.run(run())
