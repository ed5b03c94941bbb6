"""Three years after a shopper's last activity, whatever the contract: Bigtable's events and BigQuery's rows.

Only a contract that is longer than three years leaves anything to do here. The profile follows: with its last event it
goes, as `hot` sees to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from functions.retention_purge.room import Room
from functions.retention_purge.rules import ACTIVITY, HotPart, Part, inactive_since, inactive_sql
from layers.events.record import read_row_key
from layers.facts import TABLES, Table
from layers.retailers import Retailer


async def remove_events(room: Room, retailer: Retailer, part: HotPart, now: datetime, dry_run: bool) -> tuple[int, int]:
    """How many rows of a family went or would go, and how many of those are left when it is looked again."""
    since = inactive_since(retailer, part.retention, now)
    if since is None:
        return 0, 0
    removed = 0
    async for keys in _of_the_inactive(room, retailer, part, since, now):
        removed += len(keys)
        if not dry_run:
            await room.hot_events.delete(keys)
    left = 0
    async for keys in _of_the_inactive(room, retailer, part, since, now):
        left += len(keys)
    return removed, left


async def _of_the_inactive(
    room: Room, retailer: Retailer, part: HotPart, since: datetime, now: datetime
) -> AsyncIterator[list[bytes]]:
    """Keys within the contract and from before `since`, of each shopper who did nothing from then on."""
    shopper, keys = "", list[bytes]()
    async for key in room.hot_events.keys(retailer.id, part.family, since):
        whose, at = read_row_key(key)
        if whose != shopper:
            if keys and await _is_inactive(room, retailer, shopper, since, now):
                yield keys
            shopper, keys = whose, []
        if at >= part.cutoff:
            keys.append(key)
    if keys and await _is_inactive(room, retailer, shopper, since, now):
        yield keys


async def _is_inactive(room: Room, retailer: Retailer, shopper: str, since: datetime, now: datetime) -> bool:
    newest = await room.hot_events.newest_first(retailer, shopper, now=now, not_before=since)
    return not any(record.event.retention in ACTIVITY for record in newest)


async def remove_rows(room: Room, retailer: Retailer, table: Table, part: Part, now: datetime, dry_run: bool) -> Part:
    """The table's part of the report with the rows of the inactive counted in."""
    assert table.retention is not None
    since = inactive_since(retailer, table.retention, now)
    if since is None:
        return part
    removed, left = await asyncio.to_thread(_remove_rows, room, retailer, table, since, dry_run)
    kept = part.kept - removed
    return msgspec.structs.replace(part, removed=part.removed + removed, kept=kept, expired=part.expired + left)


def _remove_rows(room: Room, retailer: Retailer, table: Table, since: datetime, dry_run: bool) -> tuple[int, int]:
    dataset, bound = room.warehouse.full_name(retailer.dataset), {"since": since}

    def found() -> int:
        count = inactive_sql("SELECT COUNT(*) AS found", dataset, table, TABLES)
        return int(room.warehouse.query(count, bound)[0]["found"])

    if dry_run:
        return found(), found()
    return room.warehouse.execute(inactive_sql("DELETE", dataset, table, TABLES), bound), found()
