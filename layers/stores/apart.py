"""The collections of the database that is kept apart: counted, erased, told and purged for whoever may not read it.

One account reads that database, that of `functions/rewards`. It serves `Apart` over HTTP; others hold `CalledApart`. A
shopper is named by the digest that suppressions use: a pseudonym is never known where addresses are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from layers.calling import PrivateService
from layers.retailers import Retailer
from layers.stores.collections import COLLECTIONS, HOUSEHOLDS, PLAYERS, Collection
from layers.stores.ending import Ended, purge
from layers.stores.firestore.port import Document, Documents
from layers.stores.households import joined, leave

DATABASE = "rewards"
PATH = "/v1/apart"
APART = {each.name: each for each in COLLECTIONS if each.database == DATABASE}
"""By name."""

MOST_SHOPPERS = 4000
"""In one call: an erasure's thousand customers, under two keys each."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One call. `shoppers` are digests; `now` and `dry_run` are a purge's."""

    act: Literal["count", "erase", "told", "purge"]
    collection: str
    retailer: str = ""
    shoppers: Annotated[list[Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]], Meta(max_length=MOST_SHOPPERS)] = []
    now: datetime | None = None
    dry_run: bool = True


class Apart(Protocol):
    """Of collections of that database. Each may be repeated."""

    async def count(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> int:
        """Documents of these shoppers."""

    async def erase(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> int:
        """How many went."""

    async def told(self, collection: Collection, retailer_id: str, shopper: str) -> list[dict[str, Any]]:
        """The documents of one shopper."""

    async def purge(self, collection: Collection, now: datetime, dry_run: bool) -> Ended:
        """Removes what is older than its delay."""


class ApartDocuments:
    """Args:
    documents: of that database. retailers: by id.
    """

    def __init__(self, documents: Documents, retailers: Mapping[str, Retailer]) -> None:
        self._documents, self._retailers = documents, retailers

    async def _theirs(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> list[Any]:
        gate = asyncio.Semaphore(16)

        async def of(shopper: str) -> list[Any]:
            async with gate:
                return await self._documents.find(collection, retailer=retailer_id, shopper=shopper)

        found = await asyncio.gather(*(of(shopper) for shopper in shoppers))
        return [document for each in found for document in each]

    async def count(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> int:
        if collection == HOUSEHOLDS:
            players = await self._theirs(PLAYERS, retailer_id, shoppers)
            return len({id for player in players for id in await joined(self._documents, player.data)})
        return len(await self._theirs(collection, retailer_id, shoppers))

    async def erase(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> int:
        if collection == HOUSEHOLDS:
            players = await self._theirs(PLAYERS, retailer_id, shoppers)
            return sum([await leave(self._documents, player.data) for player in players])
        found = await self._theirs(collection, retailer_id, shoppers)
        for document in found:
            if collection == PLAYERS:
                await self._end(document)
            else:
                await self._documents.delete(collection, document.id)
        return len(found)

    async def _end(self, player: Document) -> None:
        """An order under way may have joined its household since the households' own step, or names one just now."""
        while not await self._documents.remove(PLAYERS, player):
            newest = await self._documents.get(PLAYERS, player.id)
            if newest is None:
                break
            player = newest
        await leave(self._documents, player.data)

    async def told(self, collection: Collection, retailer_id: str, shopper: str) -> list[dict[str, Any]]:
        if collection == HOUSEHOLDS:
            players = await self._theirs(PLAYERS, retailer_id, [shopper])
            return [each for player in players for each in await self._shares(player.data)]
        return [document.data for document in await self._theirs(collection, retailer_id, [shopper])]

    async def _shares(self, player: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Of the households' documents what is this player's: neither the others' entries, nor when they ordered."""
        found = (await joined(self._documents, player)).values()
        return [{**document.data, "at": player["at"], "entries": own} for document, own in found]

    async def purge(self, collection: Collection, now: datetime, dry_run: bool) -> Ended:
        return await purge(self._documents, collection, self._retailers, now, dry_run)


async def answered(apart: Apart, asked: Asked) -> Any:
    """What a call is answered with, as JSON can say it.

    Raises:
        LookupError: no such collection in that database.
    """
    if asked.collection not in APART:
        raise LookupError("no collection of that name is kept apart")
    collection = APART[asked.collection]
    match asked.act:
        case "count":
            return await apart.count(collection, asked.retailer, asked.shoppers)
        case "erase":
            return await apart.erase(collection, asked.retailer, asked.shoppers)
        case "told":
            return [
                each for shopper in asked.shoppers for each in await apart.told(collection, asked.retailer, shopper)
            ]
        case "purge":
            return list(await apart.purge(collection, asked.now or datetime.now(UTC), asked.dry_run))


class CalledApart:
    """The same through the function that may."""

    def __init__(self, rewards: PrivateService) -> None:
        self._rewards = rewards

    async def _ask(self, asked: Asked) -> Any:
        return (await self._rewards.call(PATH, asked))["answer"]

    async def count(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> int:
        return await self._sum("count", collection, retailer_id, shoppers)

    async def erase(self, collection: Collection, retailer_id: str, shoppers: Sequence[str]) -> int:
        return await self._sum("erase", collection, retailer_id, shoppers)

    async def _sum(
        self, act: Literal["count", "erase"], collection: Collection, retailer_id: str, shoppers: Sequence[str]
    ) -> int:
        asked = Asked(act=act, collection=collection.name, retailer=retailer_id, shoppers=list(shoppers))
        return int(await self._ask(asked))

    async def told(self, collection: Collection, retailer_id: str, shopper: str) -> list[dict[str, Any]]:
        found = await self._ask(Asked(act="told", collection=collection.name, retailer=retailer_id, shoppers=[shopper]))
        dated = collection.dated
        return [{**each, dated: datetime.fromisoformat(each[dated])} if dated in each else each for each in found]

    async def purge(self, collection: Collection, now: datetime, dry_run: bool) -> Ended:
        return Ended(*await self._ask(Asked(act="purge", collection=collection.name, now=now, dry_run=dry_run)))
