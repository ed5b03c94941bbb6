"""One run: every retailer by its own contract, then the collections; each removal recorded as it is done.

Owns the run's documents. A run that is killed and fired again for the same scheduled time begins with the retailers
that it had not finished, and its report counts what the killed one had recorded (a deletion and its record are two
calls, so a kill between them makes `removed` too small; `expired` is read from the stores and is never wrong).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from functions.retention_purge import cold, hot, inactive
from functions.retention_purge.room import Room
from functions.retention_purge.rules import (
    Part,
    Report,
    added_up,
    cold_parts,
    hot_parts,
    journal_cutoff,
    purge_id,
    report,
    with_inactive,
)
from functions.retention_purge.sweep import erased_of, sweep, sweep_dead_letters
from layers.facts import EVERYWHERE
from layers.retailers import Retailer
from layers.shell.log import Severity, failure, log
from layers.stores.collections import COLLECTIONS, PURGES
from layers.stores.tables import hot_tables

STACK = "*"
"""Stands for the retailer in the report over the collections and the dead letters, which are the stack's."""


class _Ledger:
    """What was removed under one scheduled time, for one retailer."""

    def __init__(self, room: Room, scheduled: datetime, retailer: str, removed: dict[str, int]) -> None:
        self._room, self._scheduled, self._retailer, self.removed = room, scheduled, retailer, removed

    @classmethod
    async def of(cls, room: Room, scheduled: datetime, retailer: str) -> _Ledger:
        document = await room.documents.get(PURGES, purge_id(scheduled, retailer))
        return cls(room, scheduled, retailer, {} if document is None else dict(document.data["removed"]))

    async def add(self, store: str, number: int) -> None:
        self.removed[store] = self.removed.get(store, 0) + number
        await self._put(done=False)

    async def close(self, made: Report) -> Report:
        made = added_up(made, self.removed)
        await self._put(done=True, report=msgspec.to_builtins(made))
        return made

    async def _put(self, **more: Any) -> None:
        data = {"scheduled": self._scheduled, "retailer": self._retailer, "removed": self.removed, **more}
        await self._room.documents.put(PURGES, purge_id(self._scheduled, self._retailer), data)


async def run(room: Room, scheduled: datetime, dry_run: bool) -> tuple[list[Report], list[str]]:
    """Returns:
    A report for each retailer and one for the collections, and the retailers whose run broke off; one retailer's
    trouble does not keep another's data.
    """
    reports: list[Report] = []
    broken: list[str] = []
    for retailer in await _unfinished_first(room, scheduled):
        try:
            reports.append(await _retailer(room, retailer, scheduled, dry_run))
        except Exception as error:
            failure("a retailer's purge broke off", error)
            broken.append(retailer.id)
    try:
        reports.append(await _stack(room, scheduled, dry_run))
    except Exception as error:
        failure("the purge of what is the stack's broke off", error)
        broken.append(STACK)
    return reports, broken


async def _unfinished_first(room: Room, scheduled: datetime) -> list[Retailer]:
    done = {}
    for retailer in room.registry:
        document = await room.documents.get(PURGES, purge_id(scheduled, retailer.id))
        done[retailer.id] = document is not None and bool(document.data["done"])
    return sorted(room.registry, key=lambda retailer: (done[retailer.id], retailer.id))


async def _retailer(room: Room, retailer: Retailer, scheduled: datetime, dry_run: bool) -> Report:
    ledger = await _Ledger.of(room, scheduled, retailer.id)
    families = hot_parts(hot_tables(room.registry, room.retired), retailer, scheduled)
    swept: list[Part] = []
    async for part in sweep(room, retailer, await erased_of(room, retailer), scheduled, dry_run):
        swept.append(part)
        if not dry_run:
            await ledger.add(part.store, part.removed)
    removed: dict[str, int] = {}
    left: dict[str, int] = {}
    for family in families:
        removed[family.store] = await hot.remove_events(room, retailer, family, dry_run)
        gone, stays = await inactive.remove_events(room, retailer, family, scheduled, dry_run)
        removed[family.store] += gone
        left[family.store] = stays
        if not dry_run:
            await ledger.add(family.store, removed[family.store])
    kept, profiles = await hot.read_again(room, retailer, families, dry_run)
    parts = [with_inactive(kept[store].report(n, dry_run), left[store]) for store, n in removed.items()]
    parts.append(profiles)
    parts.append(await hot.purge_journal(room, retailer, journal_cutoff(scheduled), dry_run))
    if not dry_run:
        await ledger.add(profiles.store, profiles.removed)
        await ledger.add(parts[-1].store, parts[-1].removed)
    there = await asyncio.to_thread(room.warehouse.names, retailer.dataset)
    for table, cutoff in cold_parts(EVERYWHERE, retailer, scheduled):
        if table.derived and table.stored_as not in there:
            continue
        part = await cold.purge_table(room, retailer, table, cutoff, dry_run)
        parts.append(await inactive.remove_rows(room, retailer, table, part, scheduled, dry_run))
        if not dry_run:
            await ledger.add(parts[-1].store, parts[-1].removed)
    return await _end(ledger, report(scheduled, retailer.id, dry_run, [*parts, *swept]))


async def _stack(room: Room, scheduled: datetime, dry_run: bool) -> Report:
    """The dead letters first: suppressions that end tonight still count."""
    ledger = await _Ledger.of(room, scheduled, STACK)
    parts: list[Part] = []
    for part in await sweep_dead_letters(room, scheduled, dry_run):
        parts.append(part)
        if not dry_run:
            await ledger.add(part.store, part.removed)
    for collection in COLLECTIONS:
        if collection.dated:
            parts.append(await cold.purge_collection(room, collection, scheduled, dry_run))
            if not dry_run:
                await ledger.add(parts[-1].store, parts[-1].removed)
    return await _end(ledger, report(scheduled, STACK, dry_run, parts))


async def _end(ledger: _Ledger, made: Report) -> Report:
    what = "would purge" if made.dry_run else "purged"
    for part in made.parts:
        numbers = {"removed": part.removed, "kept": part.kept, "expired": part.expired, "undated": part.undated}
        severity: Severity = "WARNING" if part.undated or (part.expired and not made.dry_run) else "INFO"
        if part.removed or severity == "WARNING":
            log(severity, what, retailer=made.retailer, store=part.store, **numbers)
    removed = sum(part.removed for part in made.parts)
    log("INFO", f"{what} all", retailer=made.retailer, removed=removed, stores=len(made.parts), clean=made.clean)
    return made if made.dry_run else await ledger.close(made)
