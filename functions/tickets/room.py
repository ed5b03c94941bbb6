"""Everything tickets needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass

from layers.calling import PrivateService
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.shell.settle import settle
from layers.stores.bigtable.port import ShopperRows
from layers.stores.suppressions import LiveSuppressions, Suppressions


@dataclass(frozen=True, slots=True)
class Room:
    registry: Registry
    rows: ShopperRows
    suppressions: Suppressions
    rewards: PrivateService


async def make() -> Room:
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    made = Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        BigtableShopperRows.of(values),
        LiveSuppressions(FirestoreDocuments.of(values), time.monotonic),
        PrivateService.of(values, "rewards", "tickets"),
    )
    settle()
    return made
