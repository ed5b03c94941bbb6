"""Everything settlement needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.promises.keeping import Purse
from layers.retailers import Registry
from layers.stores.bigtable.port import HotEvents
from layers.stores.firestore.port import Documents
from layers.stores.suppressions import LiveSuppressions, Suppressions


@dataclass(frozen=True, slots=True)
class Room:
    registry: Registry
    hot: HotEvents
    documents: Documents
    purse: Purse
    suppressions: Suppressions


async def make() -> Room:
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    documents = FirestoreDocuments.of(values)
    return Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        BigtableHotEvents.of(values),
        documents,
        Purse.over(documents, lambda: datetime.now(UTC)),
        LiveSuppressions(documents, time.monotonic),
    )
