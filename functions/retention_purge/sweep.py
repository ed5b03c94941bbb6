"""The sweep: what is still, or again, stored of the erased goes from every store; each is read again afterwards.

Two passes over a retailer's events, one over its journal and its shoppers' rows, a statement or two a table: only where
the retailer has erased somebody. Does not decide what belongs to whom (suppressed.py), nor write the run's documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from functions.retention_purge import suppressed
from functions.retention_purge.room import Room
from functions.retention_purge.rules import Part, text_of
from functions.retention_purge.suppressed import Erased, made_before
from layers.events.record import KEY_SEPARATOR, read_row_key
from layers.facts import EVERYWHERE, Table
from layers.privacy.suppression import remembered
from layers.retailers import Retailer
from layers.stores.collections import SUPPRESSIONS
from layers.stores.dead_letters import Swept
from layers.stores.tables import ARRIVALS, EVENTS, JOURNAL_DAYS, SHOPPERS
from layers.stores.topics import DEAD_LETTER_DAYS

STORE = "erased:"
"""Stands before a store's name in the report: `removed` is what was left of the erased, `expired` what still is."""


DEAD_LETTERS = "pubsub:dead-letters"


async def erased_of(room: Room, retailer: Retailer) -> Erased:
    return Erased(retailer.id, await room.documents.find(SUPPRESSIONS, retailer=retailer.id))


async def sweep(room: Room, retailer: Retailer, erased: Erased, now: datetime, dry_run: bool) -> AsyncIterator[Part]:
    """A part for each store, as it is done; none for a retailer who erased nobody."""
    if not erased:
        return
    yield await _events(room, retailer, erased, dry_run)
    yield await _journal(room, retailer, erased, now, dry_run)
    yield await _rows(room, retailer, erased, dry_run)
    there = await asyncio.to_thread(room.warehouse.names, retailer.dataset)
    for table in EVERYWHERE:
        if table.holds_shoppers and (table.stored_as in there or not table.derived):
            yield await asyncio.to_thread(_table, room, retailer, table, erased, dry_run)


async def sweep_dead_letters(room: Room, now: datetime, dry_run: bool) -> tuple[Part, Part]:
    """Once for the stack, since a message may be any retailer's: what is left of the erased, and what is past its
    delay. Also where nobody erased anybody: of a message that an erasure made anew, Pub/Sub counts the delay from
    then, and the suppressions that would tell of that erasure may have ended or been lost.

    Args:
        now: of the report; the sweep goes by the real clock, as Pub/Sub does.
    """
    erased = {retailer.id: await erased_of(room, retailer) for retailer in room.registry}

    def at(retailer_id: str, shopper: str) -> datetime | None:
        return erased[retailer_id].at(shopper)

    did = Swept() if dry_run else await room.dead_letters.remove(at)
    left = await room.dead_letters.look(at)
    return (
        _part(DEAD_LETTERS, left.found if dry_run else did.removed, left.found),
        Part(
            DEAD_LETTERS,
            left.over if dry_run else did.ended,
            left.messages - left.over,
            left.over,
            cutoff=text_of(now - timedelta(days=DEAD_LETTER_DAYS)),
        ),
    )


async def _late_events(room: Room, retailer: Retailer, erased: Erased) -> AsyncIterator[bytes]:
    # Keys come shopper by shopper: one digest each.
    last, until = "", None
    async for key in room.hot_events.keys(retailer.id):
        shopper, at = read_row_key(key)
        if shopper != last:
            last, until = shopper, erased.at(shopper)
        if until is not None and at <= until:
            yield key


async def _events(room: Room, retailer: Retailer, erased: Erased, dry_run: bool) -> Part:
    removed, batch = 0, list[bytes]()
    async for key in _late_events(room, retailer, erased):
        removed += 1
        if not dry_run:
            batch.append(key)
        if len(batch) == room.batch:
            await room.hot_events.delete(batch)
            batch = []
    if batch:
        await room.hot_events.delete(batch)
    left = removed if dry_run else len([key async for key in _late_events(room, retailer, erased)])
    return _part(f"bigtable:{EVENTS}", removed, left)


async def _journal(room: Room, retailer: Retailer, erased: Erased, now: datetime, dry_run: bool) -> Part:
    """Names of late events go; what came since stays named, so that reconciliation goes on comparing it."""
    erased_at = remembered(erased.at)

    def late(key: bytes) -> bool:
        shopper, at = read_row_key(key)
        until = erased_at(shopper)
        return until is not None and at <= until

    # An instance whose clock is ahead notes its arrivals in the future.
    start, end = now - timedelta(days=JOURNAL_DAYS + 1), now + timedelta(days=1)
    removed = 0 if dry_run else await room.arrivals.delete_named(retailer.id, start, end, late)
    left = sum([sum(map(late, keys)) async for keys in room.arrivals.between(retailer.id, start, end)])
    return _part(f"bigtable:{ARRIVALS}", left if dry_run else removed, left)


async def _rows(room: Room, retailer: Retailer, erased: Erased, dry_run: bool) -> Part:
    removed = left = 0
    async for key in room.shopper_rows.keys(retailer.id):
        shopper = key.decode().partition(KEY_SEPARATOR)[2]
        until = erased.at(shopper)
        if until is None or not any(await _made_before(room, retailer, shopper, until)):
            continue
        removed += 1
        if not dry_run:
            await _remove_row(room, retailer, shopper, until)
        left += any(await _made_before(room, retailer, shopper, until))
    return _part(f"bigtable:{SHOPPERS}", removed, left)


async def _made_before(room: Room, retailer: Retailer, shopper: str, until: datetime) -> tuple[bool, bool]:
    row = await room.shopper_rows.read(retailer.id, shopper)
    return made_before(row, until, await room.shopper_rows.former_parameters(retailer.id, shopper))


async def _remove_row(room: Room, retailer: Retailer, shopper: str, until: datetime) -> None:
    """A profile is made anew of what is stored; a consent is not, so one that was given since stays."""
    if (await _made_before(room, retailer, shopper, until))[1]:
        await room.shopper_rows.delete_shopper(retailer.id, shopper)
    else:
        await room.shopper_rows.delete_profiles(retailer.id, [shopper])


def _table(room: Room, retailer: Retailer, table: Table, erased: Erased, dry_run: bool) -> Part:
    dataset, removed, left = room.warehouse.full_name(retailer.dataset), 0, 0
    for bound in erased.bindings():
        if not dry_run:
            removed += room.warehouse.execute(suppressed.delete_sql(dataset, table), bound)
        left += int(room.warehouse.query(suppressed.count_sql(dataset, table), bound)[0]["found"])
    return _part(f"bigquery:{table.stored_as}", left if dry_run else removed, left)


def _part(store: str, removed: int, left: int) -> Part:
    return Part(f"{STORE}{store}", removed, 0, left)
