"""Everything retention_purge needs, made once in the serving process: its composition root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from functions.retention_purge.rules import BATCH, retired_delays
from layers.calling import PrivateService
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry, RetentionClass
from layers.stores.apart import Apart, CalledApart
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigtable.port import Arrivals, HotEvents, ShopperRows
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.port import Documents


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    apart: the database that this account may not read.
        batch: rows deleted with one call. retired: days of former contracts by class, whose families still hold events.
    """

    registry: Registry
    documents: Documents
    hot_events: HotEvents
    arrivals: Arrivals
    shopper_rows: ShopperRows
    warehouse: Warehouse
    dead_letters: DeadLetterSweep
    apart: Apart
    batch: int = BATCH
    retired: Mapping[RetentionClass, Sequence[int]] = field(default_factory=dict)


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.arrivals import BigtableArrivals
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.dead_letters import PubsubDeadLetters

    values = Settings.of_process()
    registry, documents = (
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        FirestoreDocuments.of(values),
    )
    return Room(
        registry,
        documents,
        BigtableHotEvents.of(values),
        BigtableArrivals.of(values),
        BigtableShopperRows.of(values),
        BigQueryWarehouse.of(values),
        DeadLetterSweep(PubsubDeadLetters.of(values), documents, registry.by_id),
        CalledApart(PrivateService.of(values, "rewards", "retention_purge")),
        retired=retired_delays(values[settings.RETIRED_DELAYS]),
    )
