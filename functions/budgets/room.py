"""Everything budgets needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigtable.port import HotEvents
from layers.stores.firestore.port import Documents
from layers.stores.suppressions import LiveSuppressions, Suppressions


@dataclass(frozen=True, slots=True)
class Room:
    registry: Registry
    documents: Documents
    hot: HotEvents
    warehouse: Warehouse
    suppressions: Suppressions


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    documents = FirestoreDocuments.of(values)
    return Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        documents,
        BigtableHotEvents.of(values),
        BigQueryWarehouse.of(values),
        LiveSuppressions(documents, time.monotonic),
    )
