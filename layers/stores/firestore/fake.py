"""Documents in memory, for tests of handlers. Passes the same contract suite as the real ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from layers.stores.collections import Collection
from layers.stores.firestore.port import Document, check_database


class FakeDocuments:
    def __init__(self, database: str = "(default)") -> None:
        self._database = database
        self.collections: dict[str, dict[str, Document]] = {}
        self._writes = 0

    def _of(self, collection: Collection) -> dict[str, Document]:
        check_database(collection, self._database)
        return self.collections.setdefault(collection.name, {})

    async def get(self, collection: Collection, id: str) -> Document | None:
        return copy.deepcopy(self._of(collection).get(id))

    async def create(self, collection: Collection, id: str, data: Mapping[str, Any]) -> bool:
        if id in self._of(collection):
            return False
        await self.put(collection, id, data)
        return True

    async def put(self, collection: Collection, id: str, data: Mapping[str, Any]) -> None:
        self._writes += 1
        self._of(collection)[id] = Document(id, copy.deepcopy(dict(data)), self._writes)

    async def replace(self, collection: Collection, known: Document, data: Mapping[str, Any]) -> bool:
        current = self._of(collection).get(known.id)
        if current is None or current.stamp != known.stamp:
            return False
        await self.put(collection, known.id, data)
        return True

    async def remove(self, collection: Collection, known: Document) -> bool:
        current = self._of(collection).get(known.id)
        if current is None or current.stamp != known.stamp:
            return False
        del self._of(collection)[known.id]
        return True

    async def delete(self, collection: Collection, id: str) -> None:
        self._of(collection).pop(id, None)

    async def find(self, collection: Collection, **equals: str | int | bool) -> list[Document]:
        found = sorted(self._of(collection).items())
        return [
            copy.deepcopy(document)
            for _, document in found
            if all(document.data.get(name) == value for name, value in equals.items())
        ]

    async def later(self, collection: Collection, field: str, since: datetime, limit: int) -> list[Document]:
        dated = [
            document for document in self._of(collection).values() if isinstance(document.data.get(field), datetime)
        ]
        found = [document for document in dated if document.data[field] >= since]
        return copy.deepcopy(sorted(found, key=lambda document: (document.data[field], document.id))[:limit])
