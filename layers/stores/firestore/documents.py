"""Documents in Firestore, through the official async client.

Never a transaction: the emulator waits about 4 seconds for each conflict, and none is needed, since `create` takes work
once and `replace` is guarded by the document's own update time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.api_core.exceptions import (
    AlreadyExists,
    FailedPrecondition,
    InternalServerError,
    NotFound,
    ResourceExhausted,
    ServiceUnavailable,
)
from google.api_core.retry import if_exception_type
from google.api_core.retry_async import AsyncRetry
from google.cloud.firestore_v1 import DELETE_FIELD, AsyncClient, FieldFilter

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.stores.collections import Collection
from layers.stores.firestore.port import Document, check_database

_AGAIN = if_exception_type(ServiceUnavailable, ResourceExhausted, InternalServerError)

_ONE: Any = {"retry": AsyncRetry(_AGAIN, initial=0.1, maximum=1.0, timeout=3.0), "timeout": 3.0}
"""Of a call for one document. The client's own way is to try for five minutes: with Firestore down, whoever asked would
hang for so long instead of answering that it cannot, or showing what it shows then."""

_MANY: Any = {"retry": AsyncRetry(_AGAIN, initial=0.1, maximum=1.0, timeout=60.0), "timeout": 60.0}
"""Of a query, for which only scheduled work waits."""


def _plain(value: Any) -> Any:
    """What was put. The client's own kind of datetime is none to who asks for exactly a datetime, as msgspec does."""
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


def _document(snapshot: Any) -> Document:
    return Document(snapshot.id, _plain(snapshot.to_dict()), snapshot.update_time)


class FirestoreDocuments:
    """Args:
    client: of one database; made in the serving process's loop. database: by its declared name.
    """

    def __init__(self, client: AsyncClient, database: str = "(default)") -> None:
        self._client, self._database = client, database

    @classmethod
    def of(cls, values: Settings, database: str = "(default)") -> FirestoreDocuments:
        name = values[settings.documents(database)]
        return cls(AsyncClient(project=name.split("/")[1], database=name.rsplit("/", 1)[-1]), database)

    def _of(self, collection: Collection) -> Any:
        check_database(collection, self._database)
        return self._client.collection(collection.name)

    def _reference(self, collection: Collection, id: str) -> Any:
        return self._of(collection).document(id)

    async def get(self, collection: Collection, id: str) -> Document | None:
        snapshot = await self._reference(collection, id).get(**_ONE)
        return _document(snapshot) if snapshot.exists else None

    async def create(self, collection: Collection, id: str, data: Mapping[str, Any]) -> bool:
        try:
            await self._reference(collection, id).create(dict(data), **_ONE)
        except AlreadyExists:
            return False
        return True

    async def put(self, collection: Collection, id: str, data: Mapping[str, Any]) -> None:
        await self._reference(collection, id).set(dict(data), **_ONE)

    async def replace(self, collection: Collection, known: Document, data: Mapping[str, Any]) -> bool:
        # `update` takes a precondition, `set` does not; so fields that went away are deleted by name.
        gone = {name: DELETE_FIELD for name in known.data if name not in data}
        option = self._client.write_option(last_update_time=known.stamp)
        try:
            await self._reference(collection, known.id).update({**data, **gone}, option=option, **_ONE)
        except (FailedPrecondition, NotFound):
            return False
        return True

    async def remove(self, collection: Collection, known: Document) -> bool:
        option = self._client.write_option(last_update_time=known.stamp)
        try:
            await self._reference(collection, known.id).delete(option=option, **_ONE)
        except (FailedPrecondition, NotFound):
            return False
        return True

    async def delete(self, collection: Collection, id: str) -> None:
        await self._reference(collection, id).delete(**_ONE)

    async def find(self, collection: Collection, **equals: str | int | bool) -> list[Document]:
        query: Any = self._of(collection)
        for name, value in equals.items():
            query = query.where(filter=FieldFilter(name, "==", value))
        found = [_document(snapshot) async for snapshot in query.stream(**_MANY)]
        return sorted(found, key=lambda document: document.id)

    async def later(self, collection: Collection, field: str, since: datetime, limit: int) -> list[Document]:
        query = self._of(collection).where(filter=FieldFilter(field, ">=", since))
        return [_document(snapshot) async for snapshot in query.order_by(field).limit(limit).stream(**_MANY)]
