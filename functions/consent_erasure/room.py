"""Everything consent_erasure needs, made once in the serving process: its composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from functions.consent_erasure.function import RECEIPTS
from functions.consent_erasure.rules import Step, others, steps
from layers.calling import PrivateService
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.facts import EVERYWHERE
from layers.privacy.keyring import KeyRing
from layers.retailers import Registry
from layers.signing.port import Signer
from layers.stores.apart import Apart, CalledApart
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigtable.port import Arrivals, HotEvents, ShopperRows
from layers.stores.collections import COLLECTIONS
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import Publisher
from layers.stores.suppressions import HEARD_WITHIN_S, LONGEST_REQUEST_S
from layers.stores.tables import hot_tables


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    keys: each retailer's pseudonym keys, by id. steps: in the order in which they run. topic: of events, for
        objections. signer: of receipts.
        apart: the database that this account may not read.
        pause: waits for so many seconds. settled_s: so long after the suppressions
        were written, nothing that an entrance had let in before is still on its way to a store.
    """

    registry: Registry
    keys: Mapping[str, KeyRing]
    steps: tuple[Step, ...]
    documents: Documents
    hot_events: HotEvents
    arrivals: Arrivals
    shopper_rows: ShopperRows
    warehouse: Warehouse
    topic: Publisher
    dead_letters: DeadLetterSweep
    signer: Signer
    apart: Apart
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    settled_s: float = HEARD_WITHIN_S + LONGEST_REQUEST_S


def declared_steps(registry: Registry) -> tuple[Step, ...]:
    """Raises:
    NoStep: a declared store may hold a shopper and has no step; the function must not start.
    """
    return steps(hot_tables(registry), EVERYWHERE, COLLECTIONS)


def declared_others(registry: Registry) -> tuple[tuple[str, str], ...]:
    """The stores without a step: by their declaration no shopper stands in them."""
    return others(hot_tables(registry), EVERYWHERE, COLLECTIONS)


async def make() -> Room:
    from layers.signing.kms import signer
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigtable.arrivals import BigtableArrivals
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.dead_letters import PubsubDeadLetters
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    documents = FirestoreDocuments.of(values)
    return Room(
        registry,
        {r.id: KeyRing.of(values, r) for r in registry},
        declared_steps(registry),
        documents,
        BigtableHotEvents.of(values),
        BigtableArrivals.of(values),
        BigtableShopperRows.of(values),
        BigQueryWarehouse.of(values),
        PubsubPublisher.of(values, "shopper-events"),
        DeadLetterSweep(PubsubDeadLetters.of(values), documents, registry.by_id),
        signer(values, RECEIPTS),
        CalledApart(PrivateService.of(values, "rewards", "consent_erasure")),
        settled_s=HEARD_WITHIN_S + float(values.optional(settings.LONGEST_REQUEST) or LONGEST_REQUEST_S),
    )
