"""Everything scoring needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.scoring_runs.ledger import Ledger
from layers.scoring_runs.messages import SHARDS
from layers.shell.settle import settle
from layers.stores.bigquery.port import TableRows, Warehouse
from layers.stores.bigquery.trained import Trained
from layers.stores.bigtable.port import ShopperRows
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import Publisher
from layers.stores.suppressions import LiveSuppressions, Suppressions


class Sources(Protocol):
    """What shoppers are read from."""

    @property
    def warehouse(self) -> Warehouse: ...

    @property
    def table_rows(self) -> TableRows: ...

    @property
    def trained(self) -> Trained: ...


@dataclass(frozen=True, slots=True)
class Cold:
    """`Sources` alone, for who reads and writes nothing."""

    warehouse: Warehouse
    table_rows: TableRows
    trained: Trained


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    documents: for the quarantine. shards: the topic of shards. table_rows: of the features.
    trained: models that predict.
    """

    registry: Registry
    warehouse: Warehouse
    shopper_rows: ShopperRows
    ledger: Ledger
    documents: Documents
    shards: Publisher
    suppressions: Suppressions
    table_rows: TableRows
    trained: Trained


async def make() -> Room:
    from layers.stores.bigquery.rows import BigQueryRows
    from layers.stores.bigquery.trained import BigQueryTrained
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    documents = FirestoreDocuments.of(values)
    warehouse = BigQueryWarehouse.of(values)
    made = Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        warehouse,
        BigtableShopperRows.of(values),
        Ledger(documents),
        documents,
        PubsubPublisher.of(values, SHARDS),
        LiveSuppressions(documents, time.monotonic),
        BigQueryRows.of(values),
        BigQueryTrained(warehouse),
    )
    settle()
    return made
