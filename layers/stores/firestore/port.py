"""What functions need of a document database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from layers.stores.collections import Collection


class OtherDatabase(LookupError):
    """The collection is declared for another database: what is asked for would look empty, and what is deleted stay."""


def check_database(collection: Collection, database: str) -> None:
    """Raises:
    OtherDatabase: see there.
    """
    if collection.database != database:
        raise OtherDatabase(
            f"collection {collection.name} is declared for the database {collection.database!r}, and this client is "
            f"of {database!r}, so nothing was read or written; ask the function that may use that database."
        )


@dataclass(frozen=True, slots=True)
class Document:
    """Attributes:
    stamp: opaque; changes with every write.
    """

    id: str
    data: dict[str, Any]
    stamp: object


class Later(Protocol):
    """For whoever follows what a collection gains."""

    async def later(self, collection: Collection, field: str, since: datetime, limit: int) -> list[Document]:
        """The earliest `limit` of those whose `field` is at `since` or later, in the order of that field."""


class Documents(Later, Protocol):
    """Ids and data hold no customer id. Data is what Firestore takes: str, int, float, bool, None, datetime,
    lists, maps.
    """

    async def get(self, collection: Collection, id: str) -> Document | None: ...

    async def create(self, collection: Collection, id: str, data: Mapping[str, Any]) -> bool:
        """False if it is there already: creating is how work is taken exactly once."""

    async def put(self, collection: Collection, id: str, data: Mapping[str, Any]) -> None:
        """Writes it whole, whatever was there."""

    async def replace(self, collection: Collection, known: Document, data: Mapping[str, Any]) -> bool:
        """Writes it whole if nobody wrote since `known` was read; else False."""

    async def remove(self, collection: Collection, known: Document) -> bool:
        """Deletes it if nobody wrote since `known` was read; else False, also when it is not there."""

    async def delete(self, collection: Collection, id: str) -> None:
        """Also when it is not there."""

    async def find(self, collection: Collection, **equals: str | int | bool) -> list[Document]:
        """Those whose fields equal; all of them without a condition. By id."""
