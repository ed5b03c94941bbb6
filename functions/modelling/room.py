"""Everything modelling needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from functions.modelling.building import Builder, DbtBuilder
from functions.modelling.rules import TOPIC
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.stores.bigquery.port import Warehouse
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import Publisher


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    topic: where scoring hears of it; None in a stack where nobody listens.
    """

    registry: Registry
    documents: Documents
    warehouse: Warehouse
    builder: Builder
    topic: Publisher | None


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    return Room(
        Registry.of_environment(values.values, settings.RETAILER_PREFIX),
        FirestoreDocuments.of(values),
        BigQueryWarehouse.of(values),
        DbtBuilder.of(values),
        PubsubPublisher.of(values, TOPIC) if values.optional(settings.topic(TOPIC)) else None,
    )
