"""What of an hour's arrivals is not cooled, a batch at a time: the journal in Bigtable, asked about in BigQuery.

Memory is bounded by the batch, however much arrived. Does not decide what becomes of what is missing (run.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta

from functions.reconciliation.room import Room
from functions.reconciliation.rules import batches, binding, day_runs, identity, missing_sql, questions
from layers.retailers import Retailer

SLICE = timedelta(minutes=10)
"""Of the journal in one read: a read stays open while its events are asked about, and has ten minutes."""


async def compared(
    room: Room, retailer: Retailer, start: datetime, end: datetime
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Of each batch of arrivals: how many events are cooled, and the row keys of those that are not."""
    async for batch in batches(_journal(room, retailer, start, end), room.batch):
        yield await _compare(room, retailer, batch)


async def _journal(room: Room, retailer: Retailer, start: datetime, end: datetime) -> AsyncIterator[Sequence[bytes]]:
    while start < end:
        until = min(start + SLICE, end)
        async for keys in room.arrivals.between(retailer.id, start, until):
            yield keys
        start = until


async def _compare(room: Room, retailer: Retailer, keys: Iterable[bytes]) -> tuple[int, list[bytes]]:
    dataset = room.warehouse.full_name(retailer.dataset)
    cooled, missing = 0, list[bytes]()
    for asked in questions(keys):
        spans = day_runs(identity(key)[1] for key in asked.values())
        rows = await asyncio.to_thread(room.warehouse.query, missing_sql(dataset, spans), binding(asked, spans))
        missing += [asked[row["named"]] for row in rows]
        cooled += len(asked) - len(rows)
    return cooled, sorted(missing)
