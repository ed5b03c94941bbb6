"""Everything replay needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass

from functions.replay.rules import MOST
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigtable.port import HotEvents, ShopperRows
from layers.stores.firestore.port import Documents
from layers.stores.suppressions import LiveSuppressions, Suppressions


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    most: as in `rules`, smaller in tests.
    """

    registry: Registry
    documents: Documents
    hot: HotEvents
    rows: ShopperRows
    warehouse: Warehouse
    suppressions: Suppressions
    most: int = MOST


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    documents = FirestoreDocuments.of(values)
    return Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        documents,
        BigtableHotEvents.of(values),
        BigtableShopperRows.of(values),
        BigQueryWarehouse.of(values),
        LiveSuppressions(documents, time.monotonic),
    )
