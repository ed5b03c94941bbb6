"""Everything feeds needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from functions.feeds.deliveries import S3Deliveries
from functions.feeds.front_door import SignedFrontDoor
from functions.feeds.ledger import Ledger
from functions.feeds.run import Retail
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.signature import decode_key
from layers.retailers import Registry


@dataclass(frozen=True, slots=True)
class Room:
    """The retailers that deliver files."""

    retails: tuple[Retail, ...]


async def make() -> Room:
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    documents, warehouse = FirestoreDocuments.of(values), BigQueryWarehouse.of(values)
    return Room(
        tuple(
            Retail(
                retailer,
                retailer.feed,
                S3Deliveries.of(values, retailer.feed),
                SignedFrontDoor(
                    values[settings.url("ingest")],
                    retailer.write_key,
                    decode_key(values[settings.secret(SecretKind.SIGNING_KEY, retailer.id)]),
                ),
                Ledger(documents, retailer.id),
                warehouse,
            )
            for retailer in registry
            if retailer.feed is not None
        )
    )
