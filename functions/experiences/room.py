"""Everything experiences needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from functions.experiences.rules import Door
from functions.experiences.streaming import Streams
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.keyring import KeyRing
from layers.privacy.signature import decode_key
from layers.retailers import Registry, Retailer, ShopperTokens
from layers.shell.log import failure
from layers.shell.settle import settle
from layers.stores.bigtable.port import HotEvents, ShopperRows
from layers.stores.suppressions import LiveSuppressions, Suppressions
from layers.tree.live import LiveTrees, PublishedTrees

PATIENCE_S = 0.1
"""How long a shopper waits for the stores before the default experience is shown. Stores that answer take a few
milliseconds; the laptop, where everything shares two cores, sets more."""


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    rings, doors: pseudonym keys, and who may ask, by retailer id.
    """

    registry: Registry
    rings: dict[str, KeyRing]
    doors: dict[str, Door]
    hot: HotEvents
    rows: ShopperRows
    trees: LiveTrees
    suppressions: Suppressions
    patience_s: float = PATIENCE_S
    streams: Streams = field(default_factory=Streams)


async def make() -> Room:
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.documents import FirestoreDocuments

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    documents = FirestoreDocuments.of(values)
    made = Room(
        registry,
        {r.id: KeyRing.of(values, r) for r in registry},
        {r.id: _door(values, r) for r in registry},
        BigtableHotEvents.of(values),
        BigtableShopperRows.of(values),
        PublishedTrees(documents, time.monotonic),
        LiveSuppressions(documents, time.monotonic),
        float(values.values.get(settings.PATIENCE, PATIENCE_S)),
    )
    made.streams.end_at_sigterm()
    await _open_connections(made)
    settle()
    return made


def _door(values: Settings, retailer: Retailer) -> Door:
    key = decode_key(values[settings.secret(SecretKind.SIGNING_KEY, retailer.id)])
    return Door(key, retailer.shopper_tokens is ShopperTokens.REQUIRED)


async def _open_connections(made: Room) -> None:
    """Asks each store once. A connection's first call takes far longer than the next, and would use up the patience of
    the first shopper of a new instance, who would then see the default experience.
    """
    retailer = next(iter(made.registry))
    try:
        await made.trees.of(retailer.id)
        await made.suppressions.fresh()
        await made.rows.read(retailer.id, "nobody")
    except Exception as error:
        failure("a store does not answer at the start; shoppers see the default experience until it does", error)
