"""Everything decisioning needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass

from layers.campaigns.known import KnownCampaigns
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.shell.settle import settle
from layers.stores.bigtable.port import HotEvents, ShopperRows
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import Publisher
from layers.stores.suppressions import LiveSuppressions, Suppressions
from layers.tree.live import LiveTrees, PublishedTrees


@dataclass(frozen=True, slots=True)
class Room:
    registry: Registry
    hot: HotEvents
    rows: ShopperRows
    documents: Documents
    trees: LiveTrees
    decisions: Publisher
    suppressions: Suppressions
    campaigns: KnownCampaigns


async def make() -> Room:
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    documents = FirestoreDocuments.of(values)
    made = Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        BigtableHotEvents.of(values),
        BigtableShopperRows.of(values),
        documents,
        PublishedTrees(documents, time.monotonic),
        PubsubPublisher.of(values, "decisions"),
        LiveSuppressions(documents, time.monotonic),
        KnownCampaigns(documents, time.monotonic),
    )
    settle()
    return made
