"""BigQuery and Firestore: rows and documents past their delay."""

from __future__ import annotations

import asyncio
from datetime import datetime

from functions.retention_purge.room import Room
from functions.retention_purge.rules import Part, count_sql, delete_sql, has_ended, kept_sql, text_of
from layers.facts import Table
from layers.retailers import Retailer
from layers.stores.collections import Collection


async def purge_table(room: Room, retailer: Retailer, table: Table, cutoff: datetime, dry_run: bool) -> Part:
    """One statement removes the rows; what stays is read again."""
    return await asyncio.to_thread(_purge_table, room, retailer, table, cutoff, dry_run)


def _purge_table(room: Room, retailer: Retailer, table: Table, cutoff: datetime, dry_run: bool) -> Part:
    dataset, parameters = room.warehouse.full_name(retailer.dataset), {"cutoff": cutoff}

    def expired() -> int:
        return int(room.warehouse.query(count_sql(dataset, table), parameters)[0]["found"])

    removed = expired() if dry_run else room.warehouse.execute(delete_sql(dataset, table), parameters)
    stays = room.warehouse.query(kept_sql(dataset, table))[0]
    oldest: datetime | None = stays["oldest"]
    left = 0 if oldest is None or oldest >= cutoff else expired()
    kept = int(stays["kept"]) - (left if dry_run else 0)
    text = None if oldest is None else text_of(oldest)
    return Part(f"bigquery:{table.stored_as}", removed, kept, left, text_of(cutoff), text)


async def purge_collection(room: Room, collection: Collection, now: datetime, dry_run: bool) -> Part:
    """Each document on its own."""
    removed = kept = undated = 0
    for document in await room.documents.find(collection):
        ended = has_ended(collection, document.data, room.registry.by_id.get(document.data.get("retailer", "")), now)
        if ended:
            removed += 1
            if not dry_run:
                await room.documents.delete(collection, document.id)
        else:
            kept += 1
            undated += ended is None
    expired = removed if dry_run else await _expired(room, collection, now)
    return Part(f"firestore:{collection.name}", removed, kept, expired, undated=undated)


async def _expired(room: Room, collection: Collection, now: datetime) -> int:
    found = await room.documents.find(collection)
    registry = room.registry.by_id
    return sum(has_ended(collection, d.data, registry.get(d.data.get("retailer", "")), now) is True for d in found)
