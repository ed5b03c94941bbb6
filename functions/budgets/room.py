"""Everything budgets needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.firestore.port import Documents


@dataclass(frozen=True, slots=True)
class Room:
    registry: Registry
    documents: Documents


async def make() -> Room:
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    return Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        FirestoreDocuments.of(values),
    )
