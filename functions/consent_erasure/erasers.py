"""How each store is counted and emptied of some shoppers.

Owns the calls to the stores. Does not decide what is called, in which order, or what the numbers mean (rules.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from functions.consent_erasure.room import Room
from functions.consent_erasure.rules import Kind, Step, binding, count_sql, delete_sql
from layers.facts import Table
from layers.privacy.suppression import digest, last_erased, suppression_id
from layers.promises.model import promises_id
from layers.retailers import Retailer
from layers.stores.bigtable.port import ShopperRow
from layers.stores.collections import (
    CONTACTS,
    ERASURES,
    HOUSEHOLDS,
    PLAYERS,
    PROMISES,
    RECEIPTS,
    SUPPRESSIONS,
    Collection,
)
from layers.stores.dead_letters import Erased
from layers.stores.suppressions import NOTED

AT_ONCE = 32
"""Bigtable calls in flight: a thousand shoppers take a second, and the rest of the table does not feel it."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request at work.

    Attributes:
        shoppers: the pseudonyms, under every key in use; they stand in this process and in no document.
        since: when it was asked for.
    """

    id: str
    retailer: Retailer
    shoppers: tuple[str, ...]
    since: datetime


class Did(NamedTuple):
    """How much, and by which job of the store, where it names its jobs."""

    number: int
    job: str | None = None


class Eraser(Protocol):
    async def count(self) -> Did:
        """What is left to do, read from the store."""

    async def erase(self) -> Did:
        """Does it; how much of it was done. Harmless when repeated."""


def eraser(step: Step, room: Room, erasure: Erasure) -> Eraser:
    match step.kind:
        case Kind.SUPPRESS:
            return _Suppressions(room, erasure)
        case Kind.EVENTS:
            return _Events(room, erasure)
        case Kind.ARRIVALS:
            return _Arrivals(room, erasure)
        case Kind.SHOPPER_ROWS:
            return _ShopperRows(room, erasure)
        case Kind.PROMISES:
            return _Promises(room, erasure)
        case Kind.FACTS:
            assert step.table is not None
            return _Facts(room, erasure, step.table)
        case Kind.DEAD_LETTERS:
            return _DeadLetters(room, erasure)
        case Kind.HOUSEHOLDS:
            return _Apart(room, erasure, HOUSEHOLDS)
        case Kind.PLAYERS:
            return _Apart(room, erasure, PLAYERS)
        case Kind.CONTACTS:
            return _Apart(room, erasure, CONTACTS)
        case Kind.REQUEST:
            return _Told(room, erasure, ERASURES)
        case Kind.RECEIPT:
            return _Told(room, erasure, RECEIPTS)


async def _sum(of: Callable[[str], Awaitable[int]], shoppers: Iterable[str]) -> int:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(shopper: str) -> int:
        async with gate:
            return await of(shopper)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(shopper)) for shopper in shoppers]
    except BaseExceptionGroup as failures:
        # The log then names the store's error, not the group that it came in.
        raise failures.exceptions[0] from None
    return sum(task.result() for task in tasks)


@dataclass(frozen=True, slots=True)
class _Suppressions:
    """Work left: shoppers whose document is missing or of an earlier request."""

    room: Room
    erasure: Erasure

    async def _missing(self, shopper: str) -> int:
        document = await self.room.documents.get(SUPPRESSIONS, suppression_id(self.erasure.retailer.id, shopper))
        return int(document is None or document.data["since"] < self.erasure.since)

    async def _write(self, shopper: str) -> int:
        if not await self._missing(shopper):
            return 0
        # By the real clock, and not that of the request: entrances ask for what was written lately.
        noted = datetime.now(UTC)
        data = {"retailer": self.erasure.retailer.id, "since": self.erasure.since, NOTED: noted}
        await self.room.documents.put(SUPPRESSIONS, suppression_id(self.erasure.retailer.id, shopper), data)
        return 1

    async def count(self) -> Did:
        return Did(await _sum(self._missing, self.erasure.shoppers))

    async def erase(self) -> Did:
        return Did(await _sum(self._write, self.erasure.shoppers))


@dataclass(frozen=True, slots=True)
class _Events:
    room: Room
    erasure: Erasure

    async def count(self) -> Did:
        retailer = self.erasure.retailer.id
        return Did(await _sum(lambda s: self.room.hot_events.count_shopper(retailer, s), self.erasure.shoppers))

    async def erase(self) -> Did:
        retailer = self.erasure.retailer.id
        return Did(await _sum(lambda s: self.room.hot_events.delete_shopper(retailer, s), self.erasure.shoppers))


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Work left: places of the journal that name a shopper. One pass for all of them: the journal is in the order of
    time.
    """

    room: Room
    erasure: Erasure

    async def count(self) -> Did:
        return Did(await self.room.arrivals.count_shoppers(self.erasure.retailer.id, self.erasure.shoppers))

    async def erase(self) -> Did:
        return Did(await self.room.arrivals.delete_shoppers(self.erasure.retailer.id, self.erasure.shoppers))


@dataclass(frozen=True, slots=True)
class _ShopperRows:
    room: Room
    erasure: Erasure

    async def _there(self, shopper: str) -> int:
        return int(await self.room.shopper_rows.read(self.erasure.retailer.id, shopper) != ShopperRow())

    async def count(self) -> Did:
        return Did(await _sum(self._there, self.erasure.shoppers))

    async def erase(self) -> Did:
        retailer = self.erasure.retailer.id
        return Did(await _sum(lambda s: self.room.shopper_rows.delete_shopper(retailer, s), self.erasure.shoppers))


@dataclass(frozen=True, slots=True)
class _Promises:
    """What is reserved for them expires by itself: a reservation names nobody."""

    room: Room
    erasure: Erasure

    async def _there(self, shopper: str) -> int:
        return int(await self.room.documents.get(PROMISES, promises_id(self.erasure.retailer.id, shopper)) is not None)

    async def _delete(self, shopper: str) -> int:
        there = await self._there(shopper)
        await self.room.documents.delete(PROMISES, promises_id(self.erasure.retailer.id, shopper))
        return there

    async def count(self) -> Did:
        return Did(await _sum(self._there, self.erasure.shoppers))

    async def erase(self) -> Did:
        return Did(await _sum(self._delete, self.erasure.shoppers))


@dataclass(frozen=True, slots=True)
class _Facts:
    room: Room
    erasure: Erasure
    table: Table

    async def count(self) -> Did:
        return await asyncio.to_thread(self._count)

    def _is_there(self) -> bool:
        return not self.table.derived or self.table.stored_as in self.room.warehouse.names(
            self.erasure.retailer.dataset
        )

    async def erase(self) -> Did:
        return await asyncio.to_thread(self._erase)

    def _dataset(self) -> str:
        return self.room.warehouse.full_name(self.erasure.retailer.dataset)

    def _binding(self) -> dict[str, str | list[str]]:
        return binding(self.erasure.retailer.id, self.erasure.shoppers)

    def _count(self) -> Did:
        if not self._is_there():
            return Did(0)
        job = self.room.warehouse.job(count_sql(self._dataset(), self.table), self._binding())
        return Did(int(job.rows[0]["found"]), job.id)

    def _erase(self) -> Did:
        if not self._is_there():
            return Did(0)
        job = self.room.warehouse.job(delete_sql(self._dataset(), self.table), self._binding())
        return Did(job.changed, job.id)


@dataclass(frozen=True, slots=True)
class _DeadLetters:
    """Work left: lines of messages."""

    room: Room
    erasure: Erasure

    async def count(self) -> Did:
        return Did((await self.room.dead_letters.look(self._erased())).found)

    async def erase(self) -> Did:
        return Did((await self.room.dead_letters.remove(self._erased())).removed)

    def _erased(self) -> Erased:
        whose, shoppers = self.erasure.retailer.id, frozenset(self.erasure.shoppers)
        until = last_erased(self.erasure.since)
        return lambda retailer, shopper: until if retailer == whose and shopper in shoppers else None


@dataclass(frozen=True, slots=True)
class _Apart:
    """Through the function that may; it is told digests, since no pseudonym is known where addresses are."""

    room: Room
    erasure: Erasure
    collection: Collection

    def _digests(self) -> list[str]:
        return [digest(self.erasure.retailer.id, shopper) for shopper in self.erasure.shoppers]

    async def count(self) -> Did:
        return Did(await self.room.apart.count(self.collection, self.erasure.retailer.id, self._digests()))

    async def erase(self) -> Did:
        return Did(await self.room.apart.erase(self.collection, self.erasure.retailer.id, self._digests()))


@dataclass(frozen=True, slots=True)
class _Told:
    """Requests and receipts are written without any pseudonym; what is left to do is to see that it is so."""

    room: Room
    erasure: Erasure
    collection: Collection

    async def count(self) -> Did:
        if self.collection is ERASURES:
            document = await self.room.documents.get(ERASURES, self.erasure.id)
            held = [document] if document else []
        else:
            held = await self.room.documents.find(self.collection, erasure=self.erasure.id)
        text = repr([document.data for document in held])
        return Did(sum(shopper in text for shopper in self.erasure.shoppers))

    async def erase(self) -> Did:
        return Did(0)
