"""BigQuery and Firestore: rows and documents past their delay."""

from __future__ import annotations

import asyncio
from datetime import datetime

from functions.retention_purge.room import Room
from functions.retention_purge.rules import Part, count_sql, delete_sql, kept_sql, text_of
from layers.facts import Table
from layers.retailers import Retailer
from layers.stores.apart import DATABASE
from layers.stores.collections import Collection
from layers.stores.ending import purge


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
    """Of a database that this account may not use, through the function that may."""
    if collection.database == DATABASE:
        ended = await room.apart.purge(collection, now, dry_run)
    else:
        ended = await purge(room.documents, collection, room.registry.by_id, now, dry_run)
    return Part(f"firestore:{collection.name}", ended.removed, ended.kept, ended.expired, undated=ended.undated)
