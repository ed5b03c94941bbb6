"""Bigtable: events past their delay, profiles that no event is left to be made of, and the journal of arrivals.

Two passes a run over the events. The first asks for the keys past the cut-off and deletes them in batches. The second
reads every key that stays, without that filter, so that a mistake in it would show; beside it runs the table
`shoppers`, in the same order, so that memory does not grow with the number of shoppers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from functions.retention_purge.room import Room
from functions.retention_purge.rules import ACTIVITY, HotPart, Part, text_of
from layers.events.record import read_row_key
from layers.retailers import Retailer
from layers.stores.bigtable.arrivals import read_minute
from layers.stores.bigtable.port import ShopperRow
from layers.stores.tables import ARRIVALS, SHOPPERS

SHOPPERS_STORE = f"bigtable:{SHOPPERS}"
ARRIVALS_STORE = f"bigtable:{ARRIVALS}"


async def remove_events(room: Room, retailer: Retailer, part: HotPart, dry_run: bool) -> int:
    """How many rows went; in a dry run, how many would."""
    return await _remove(
        room.hot_events.keys(retailer.id, part.family, part.cutoff), room.hot_events.delete, room.batch, dry_run
    )


async def _remove(
    keys: AsyncIterator[bytes], delete: Callable[[Sequence[bytes]], Awaitable[None]], most: int, dry_run: bool
) -> int:
    removed, batch = 0, list[bytes]()

    async def go() -> int:
        if batch and not dry_run:
            await delete(batch)
        return len(batch)

    async for key in keys:
        batch.append(key)
        if len(batch) == most:
            removed += await go()
            batch = []
    return removed + await go()


async def purge_journal(room: Room, retailer: Retailer, cutoff: datetime, dry_run: bool) -> Part:
    """Rows of the journal of arrivals from before `cutoff` go; every row that stays is read again, without it."""
    old = room.arrivals.keys(retailer.id, cutoff)
    removed = await _remove(old, room.arrivals.delete, room.batch, dry_run)
    kept = expired = 0
    oldest: datetime | None = None
    async for key in room.arrivals.keys(retailer.id):
        at = read_minute(key)
        kept += 1
        expired += at < cutoff
        oldest = at if oldest is None else min(oldest, at)
    kept -= expired if dry_run else 0
    return Part(ARRIVALS_STORE, removed, kept, expired, text_of(cutoff), None if oldest is None else text_of(oldest))


class Kept:
    """What stays of one family, counted while it is read from shopper to shopper."""

    def __init__(self, keys: AsyncIterator[bytes], part: HotPart) -> None:
        self._keys, self.part = keys, part
        self._next: tuple[str, datetime] | None = None
        self._begun = False
        self.kept = self.expired = 0
        self.oldest: datetime | None = None

    async def _advance(self) -> None:
        self._begun = True
        key = await anext(self._keys, None)
        self._next = None if key is None else read_row_key(key)
        if self._next is not None:
            at = self._next[1]
            self.kept += 1
            self.expired += at < self.part.cutoff
            self.oldest = at if self.oldest is None else min(self.oldest, at)

    async def has(self, shopper: str) -> bool:
        """Whether an event of this shopper stays by right. Ask in the order of the keys, each shopper once."""
        if not self._begun:
            await self._advance()
        found = False
        while self._next is not None and self._next[0] <= shopper:
            found = found or (self._next[0] == shopper and self._next[1] >= self.part.cutoff)
            await self._advance()
        return found

    async def finish(self) -> None:
        while not self._begun or self._next is not None:
            await self._advance()

    def report(self, removed: int, dry_run: bool) -> Part:
        oldest = None if self.oldest is None else text_of(self.oldest)
        kept = self.kept - self.expired if dry_run else self.kept
        return Part(self.part.store, removed, kept, self.expired, text_of(self.part.cutoff), oldest)


async def read_again(
    room: Room, retailer: Retailer, parts: Sequence[HotPart], dry_run: bool
) -> tuple[dict[str, Kept], Part]:
    """What stays of each family, by store, and what became of the profiles."""
    families = [Kept(aiter(room.hot_events.keys(retailer.id, part.family)), part) for part in parts]
    profiles = _Profiles(room, retailer, dry_run)
    async for key in room.shopper_rows.keys(retailer.id):
        shopper = key.decode().partition("#")[2]
        held = [(kept.part.retention, await kept.has(shopper)) for kept in families]
        if any(has and retention in ACTIVITY for retention, has in held):
            profiles.kept += 1
        elif any(has for _, has in held):
            await profiles.strip(shopper)
        else:
            await profiles.forget(shopper)
    for kept in families:
        await kept.finish()
    return {kept.part.store: kept for kept in families}, profiles.report()


class _Profiles:
    """Rows of the table `shoppers` whose shopper has no activity left.

    Each is looked at again before it goes, since its shopper may have come back while the tables were read; and after,
    for the proof.
    """

    def __init__(self, room: Room, retailer: Retailer, dry_run: bool) -> None:
        self._room, self._retailer, self._dry_run = room, retailer.id, dry_run
        self.kept = self.removed = self.expired = 0

    async def strip(self, shopper: str) -> None:
        """Only a consent is left: the row keeps it, and loses what was made of the activity."""
        self.kept += 1
        if not await self._has_profile(shopper):
            return
        self.removed += 1
        if not self._dry_run:
            await self._room.shopper_rows.delete_profiles(self._retailer, [shopper])
        self.expired += await self._has_profile(shopper)

    async def forget(self, shopper: str) -> None:
        """No event at all is left: the row goes whole, with the consent whose proof is gone."""
        if not self._dry_run and await self._room.hot_events.count_shopper(self._retailer, shopper):
            self.kept += 1
            return
        self.removed += 1
        if not self._dry_run:
            await self._room.shopper_rows.delete_shopper(self._retailer, shopper)
        self.expired += await self._room.shopper_rows.read(self._retailer, shopper) != ShopperRow()

    async def _has_profile(self, shopper: str) -> bool:
        row = await self._room.shopper_rows.read(self._retailer, shopper)
        return row.parameters is not None or row.state is not None

    def report(self) -> Part:
        return Part(SHOPPERS_STORE, self.removed, self.kept, self.expired)
