"""Reads Firestore as it lies there: every document of every collection of both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from layers.declarations import settings
from layers.declarations.settings import Settings

DATABASES = ("(default)", "rewards")


def every_document(values: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """(database and path, content) of each."""
    for database in DATABASES:
        name = values.optional(settings.documents(database))
        if name is None:
            continue
        client = _client(name)
        for collection in client.collections():
            yield from _below(f"{database}/", collection)


def document(values: Settings, collection: str, id: str) -> dict[str, Any] | None:
    """One of the database that most functions share; None where there is none."""
    snapshot = _client(values[settings.documents(DATABASES[0])]).collection(collection).document(id).get()
    return snapshot.to_dict() if snapshot.exists else None


def _client(name: str) -> Any:
    return firestore.Client(
        project=name.split("/")[1], database=name.rsplit("/", 1)[-1], credentials=AnonymousCredentials()
    )


def _below(path: str, collection: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for snapshot in collection.stream():
        place = f"{path}{collection.id}/{snapshot.id}"
        yield place, snapshot.to_dict()
        for inner in snapshot.reference.collections():
            yield from _below(f"{place}/", inner)


def holds(content: object, part: str, whole: str) -> bool:
    """Whether some text in a document's content contains `part`, or is `whole`. Names of fields count as texts."""
    if isinstance(content, dict):
        return any(holds(key, part, whole) or holds(value, part, whole) for key, value in content.items())
    if isinstance(content, list | tuple):
        return any(holds(value, part, whole) for value in content)
    if isinstance(content, bytes):
        return part.encode() in content
    return isinstance(content, str) and (part in content or content == whole)
