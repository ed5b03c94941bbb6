"""Runs coroutines against documents in memory, one document operation at a time, in an order that a seed decides; any
of them may be killed between two operations.

What a real store and real processes do to each other is a sequence of exactly such steps, so whatever breaks there can
break here too, and here the seed says how.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Generator, Mapping
from datetime import datetime
from typing import Any

from layers.stores.collections import Collection
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document


class Turn:
    """What a coroutine awaits to let the others go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class SteppedDocuments:
    """Documents in memory whose every operation happens at a turn of its own."""

    def __init__(self, database: str = "(default)") -> None:
        self.held = FakeDocuments(database)

    async def get(self, collection: Collection, id: str) -> Document | None:
        await Turn()
        return await self.held.get(collection, id)

    async def create(self, collection: Collection, id: str, data: Mapping[str, Any]) -> bool:
        await Turn()
        return await self.held.create(collection, id, data)

    async def put(self, collection: Collection, id: str, data: Mapping[str, Any]) -> None:
        await Turn()
        await self.held.put(collection, id, data)

    async def replace(self, collection: Collection, known: Document, data: Mapping[str, Any]) -> bool:
        await Turn()
        return await self.held.replace(collection, known, data)

    async def remove(self, collection: Collection, known: Document) -> bool:
        await Turn()
        return await self.held.remove(collection, known)

    async def delete(self, collection: Collection, id: str) -> None:
        await Turn()
        await self.held.delete(collection, id)

    async def find(self, collection: Collection, **equals: str | int | bool) -> list[Document]:
        await Turn()
        return await self.held.find(collection, **equals)

    async def later(self, collection: Collection, field: str, since: datetime, limit: int) -> list[Document]:
        await Turn()
        return await self.held.later(collection, field, since, limit)


Work = Coroutine[Any, Any, object]


def interleaved(work: list[Work], draw: random.Random, kills: float, after_each: Callable[[], None]) -> list[object]:
    """Runs all to their ends.

    Args:
        kills: probability that a coroutine is killed instead of going on.
        after_each: checks what must hold at every moment.

    Returns:
        The answers, in the order of `work`; None of whoever was killed.
    """
    answers: list[object] = [None] * len(work)
    alive = list(enumerate(work))
    while alive:
        place = draw.randrange(len(alive))
        index, coroutine = alive[place]
        if draw.random() < kills:
            coroutine.close()
            alive.pop(place)
            continue
        try:
            coroutine.send(None)
        except StopIteration as end:
            answers[index] = end.value
            alive.pop(place)
        after_each()
    return answers


def alone(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs one to its end, with nobody beside it."""
    return interleaved([coroutine], random.Random(0), 0.0, lambda: None)[0]
