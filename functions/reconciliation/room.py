"""Everything reconciliation needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass

from functions.reconciliation.rules import BATCH, FLOOD
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigtable.port import Arrivals, HotEvents
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import Publisher
from layers.stores.suppressions import LiveSuppressions, Suppressions


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    batch, flood: as in `rules`, smaller in tests.
    """

    registry: Registry
    documents: Documents
    arrivals: Arrivals
    hot_events: HotEvents
    warehouse: Warehouse
    topic: Publisher
    suppressions: Suppressions
    batch: int = BATCH
    flood: int = FLOOD


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.arrivals import BigtableArrivals
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    documents = FirestoreDocuments.of(values)
    return Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        documents,
        BigtableArrivals.of(values),
        BigtableHotEvents.of(values),
        BigQueryWarehouse.of(values),
        PubsubPublisher.of(values, "shopper-events"),
        LiveSuppressions(documents, time.monotonic),
    )
