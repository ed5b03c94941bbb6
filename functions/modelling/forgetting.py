"""Who is erased while the models are built: a statement that began before the erasure writes its rows after it.

Every run therefore removes, at its end, whoever was erased lately from all that it made, and what dbt leaves where it
is killed. The nightly sweep of retention_purge would find them too, a day later.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from functions.modelling.room import Room
from functions.modelling.rules import LEFTOVER
from layers.facts import DERIVED
from layers.privacy.suppression import digest_prefix, digest_sql
from layers.retailers import Retailer
from layers.stores.collections import SUPPRESSIONS
from layers.stores.suppressions import NOTED

LATELY = timedelta(days=1)
"""Longer than a run takes with its repetitions, and than an erasure takes to reach these tables."""

AT_ONCE = 5000
"""Digests that one statement is bound with: 160 kB."""


async def erased_lately(room: Room, retailer: Retailer, started: datetime) -> list[str]:
    """Digests of the shoppers whose erasure was noted since a day before the run."""
    found = await room.documents.find(SUPPRESSIONS, retailer=retailer.id)
    since = started - LATELY
    return sorted(each.id.partition(":")[2] for each in found if each.data.get(NOTED, started) >= since)


async def forget(room: Room, retailer: Retailer, started: datetime) -> int:
    """Rows that went."""
    erased = await erased_lately(room, retailer, started)
    return await asyncio.to_thread(_delete, room, retailer, erased) if erased else 0


def _delete(room: Room, retailer: Retailer, erased: list[str]) -> int:
    dataset, there, gone = room.warehouse.full_name(retailer.dataset), room.warehouse.names(retailer.dataset), 0
    for table in DERIVED:
        if not table.holds_shoppers or table.stored_as not in there:
            continue
        sql = f"DELETE FROM `{dataset}.{table.stored_as}` WHERE {digest_sql('shopper')} IN UNNEST(@erased)"
        for first in range(0, len(erased), AT_ONCE):
            bound = {"prefix": digest_prefix(retailer.id), "erased": erased[first : first + AT_ONCE]}
            gone += room.warehouse.execute(sql, bound)
    return gone


async def clear(room: Room, retailer: Retailer) -> None:
    """Drops what a killed run left half-way: it holds shoppers, and nobody else knows of it."""

    def drop() -> None:
        for name in sorted(room.warehouse.names(retailer.dataset)):
            if name.endswith(LEFTOVER):
                room.warehouse.execute(f"DROP TABLE `{room.warehouse.full_name(retailer.dataset)}.{name}`")

    await asyncio.to_thread(drop)
