"""Everything the watch needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.scoring_runs.ledger import Ledger
from layers.scoring_runs.messages import MODELS_BUILT
from layers.stores.pubsub.port import Publisher


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    built: the topic on which a run is begun, and resumed.
    """

    registry: Registry
    ledger: Ledger
    built: Publisher


async def make() -> Room:
    from layers.stores.firestore.documents import FirestoreDocuments
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    return Room(registry, Ledger(FirestoreDocuments.of(values)), PubsubPublisher.of(values, MODELS_BUILT))
