"""One run: every hour that is due, of every retailer, compared, dispatched where something is missing, and recorded.

Owns the hours' documents. An hour's dispatch is claimed in its document before the first message leaves, on the
condition that nobody wrote there since: of two runs at once one dispatches, and a run that is killed anywhere has at
most used one of the hour's attempts. The next run begins with the comparison again, so nothing else need be resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec

from functions.reconciliation.comparing import compared
from functions.reconciliation.room import Room
from functions.reconciliation.rules import (
    PROBE,
    SETTLES,
    Counts,
    Hour,
    Line,
    Status,
    claimed,
    concluded,
    hours,
    is_due,
    keeps_up,
    line,
    may_dispatch,
    not_erased,
)
from layers.privacy.suppression import remembered
from layers.retailers import Retailer
from layers.shell.log import Severity, failure, log
from layers.stores.collections import RECONCILIATIONS
from layers.stores.firestore.port import Document
from layers.stores.pubsub.packing import messages

AT_ONCE = 4
"""Hours compared at the same time."""

LINES_AT_ONCE = 1000
"""Record lines held in memory while they are dispatched: about 1 MB."""

_SEVERITY: dict[Status, Severity] = {
    Status.DISPATCHED: "WARNING",
    Status.WAITING: "WARNING",
    Status.INCOMPLETE: "ERROR",
}


class Taken(Exception):
    """Another run wrote of this hour meanwhile: it is that run's."""


async def run(room: Room, scheduled: datetime, really: datetime, dry_run: bool) -> tuple[list[Line], list[str]]:
    """Args:
        scheduled: the run's clock, which says what is due. really: the real one; what a clock ahead of it finds is
            told and acted on, but settles nothing.

    Returns:
        A line for each hour that was compared, and the retailers of which some hour broke off; an hour's trouble does
        not keep the others.
    """
    pairs = [(retailer, hour) for hour in hours(scheduled) for retailer in room.registry]
    gate = asyncio.Semaphore(AT_ONCE)
    probes: dict[str, asyncio.Task[bool]] = {}
    broken: set[str] = set()

    async def one(retailer: Retailer, start: datetime) -> Line | None:
        async with gate:
            try:
                work = await _Work.of(room, retailer, start, scheduled, really, dry_run, probes)
                return await work.done() if work is not None else None
            except Taken:
                log("INFO", "another run has this hour", retailer=retailer.id, hour=start.isoformat())
            except Exception as error:
                failure("an hour could not be reconciled", error)
                broken.add(retailer.id)
        return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(*pair)) for pair in pairs]
    return [made for task in tasks if (made := task.result()) is not None], sorted(broken)


class _Work:
    """One hour of one retailer, in one run."""

    def __init__(
        self,
        room: Room,
        retailer: Retailer,
        known: Hour,
        document: Document | None,
        scheduled: datetime,
        really: datetime,
        dry_run: bool,
        probes: dict[str, asyncio.Task[bool]],
    ) -> None:
        self._room, self._retailer, self._known, self._document = room, retailer, known, document
        self._now, self._clock, self._dry_run, self._probes = scheduled, min(scheduled, really), dry_run, probes
        self._may, self._claimed, self._found = may_dispatch(known, scheduled), False, Counts()

    @classmethod
    async def of(
        cls,
        room: Room,
        retailer: Retailer,
        start: datetime,
        scheduled: datetime,
        really: datetime,
        dry_run: bool,
        probes: dict[str, asyncio.Task[bool]],
    ) -> _Work | None:
        """None for an hour that is not due."""
        new = Hour(retailer.id, start)
        document = await room.documents.get(RECONCILIATIONS, new.id)
        known = new if document is None else Hour.of(document.data)
        if not is_due(known, scheduled):
            return None
        return cls(room, retailer, known, document, scheduled, really, dry_run, probes)

    async def done(self) -> Line:
        """Raises:
        Taken: see there; what this run dispatched until then is dispatched.
        """
        found = self._found
        async for cooled, keys in compared(self._room, self._retailer, self._known.hour, self._known.end):
            found.cooled += cooled
            if keys:
                await self._mend(keys)
            log("INFO", "reconciling", retailer=self._retailer.id, hour=self._known.id, stored=found.stored)
        after = concluded(self._known, found, self._clock)
        if not self._dry_run:
            await self._record(after)
        said = line(after, found)
        what = "would reconcile" if self._dry_run else "reconciled"
        log(_SEVERITY.get(after.status, "INFO"), what, **msgspec.to_builtins(said))
        return said

    async def _mend(self, keys: Sequence[bytes]) -> None:
        """Dispatches what of a batch is missing."""
        await self._room.suppressions.fresh()
        keys = not_erased(keys, remembered(partial(self._room.suppressions.erased_at, self._retailer.id)))
        sends = self._may and (len(keys) <= self._room.flood or await self._keeps_up())
        for first in range(0, len(keys), LINES_AT_ONCE):
            some = keys[first : first + LINES_AT_ONCE]
            # A row that is gone was erased or purged, or was never stored: it is not missing.
            lines = await self._room.hot_events.lines(self._retailer, some, now=self._now)
            self._found.missing += len(lines)
            if lines and sends:
                await self._dispatch(list(lines.values()))
            elif self._may:
                self._found.held += len(lines)

    async def _dispatch(self, lines: Sequence[bytes]) -> None:
        if not self._dry_run:
            if not self._claimed:
                await self._record(claimed(self._known, self._clock))
                self._claimed = True
            await self._room.topic.publish(list(messages(self._retailer.id, lines)))
        self._found.dispatched += len(lines)

    async def _keeps_up(self) -> bool:
        """Asked once a run and retailer, and only where much is missing."""
        if self._retailer.id not in self._probes:
            self._probes[self._retailer.id] = asyncio.create_task(self._probe())
        return await self._probes[self._retailer.id]

    async def _probe(self) -> bool:
        cooled = asked = 0
        until = self._clock - SETTLES
        async for some, keys in compared(self._room, self._retailer, until - PROBE, until):
            cooled, asked = some, some + len(keys)
            break
        log("INFO", "asked whether cooling keeps up", retailer=self._retailer.id, cooled=cooled, asked=asked)
        return keeps_up(cooled, asked)

    async def _record(self, after: Hour) -> None:
        """Raises:
        Taken: somebody wrote since this run read.
        """
        documents, data = self._room.documents, after.document()
        if self._document is None:
            done = await documents.create(RECONCILIATIONS, after.id, data)
        else:
            done = await documents.replace(RECONCILIATIONS, self._document, data)
        if not done:
            raise Taken
        self._known, self._document = after, await documents.get(RECONCILIATIONS, after.id)
        if self._document is None or Hour.of(self._document.data) != after:
            raise Taken
