"""Everything cooling needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.retailers import Registry
from layers.shell.settle import settle
from layers.stores.bigquery.port import FactWriter
from layers.stores.firestore.port import Documents
from layers.stores.suppressions import LiveSuppressions, Suppressions


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    documents: for the quarantine.
    """

    registry: Registry
    facts: FactWriter
    documents: Documents
    suppressions: Suppressions


async def make() -> Room:
    from layers.stores.bigquery.writer import BigQueryFacts
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    documents = FirestoreDocuments.of(values)
    suppressions = LiveSuppressions(documents, time.monotonic)
    room = Room(registry, BigQueryFacts.of(values), documents, suppressions)
    settle()
    return room
