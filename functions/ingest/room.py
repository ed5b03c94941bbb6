"""Everything ingest needs, made once in the serving process: its composition root."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from functions.ingest.bringing import Bringing
from functions.ingest.commit import GroupCommit
from functions.ingest.rules import Door
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.keyring import KeyRing
from layers.privacy.signature import decode_key
from layers.retailers import Registry, Retailer
from layers.shell.settle import settle
from layers.stores.suppressions import LiveSuppressions, Suppressions, Unavailable


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    doors, signing_keys: by retailer id. bringing: what a shopper keeps when the retailer's pseudonym key is rotated.
    """

    registry: Registry
    doors: dict[str, Door]
    signing_keys: dict[str, bytes]
    commit: GroupCommit
    suppressions: Suppressions
    bringing: Bringing


def secrets_of(
    values: Settings, registry: Registry, suppressions: Suppressions
) -> tuple[dict[str, Door], dict[str, bytes]]:
    """What both secrets of every retailer are for.

    Raises:
        MissingSetting, InvalidKey: a function without its secrets must not start.
    """

    def door(retailer: Retailer) -> Door:
        ring = KeyRing.of(values, retailer)
        return Door(retailer, ring.current, partial(suppressions.erased_at, retailer.id), ring.others, ring.former)

    return (
        {retailer.id: door(retailer) for retailer in registry},
        {r.id: decode_key(values[settings.secret(SecretKind.SIGNING_KEY, r.id)]) for r in registry},
    )


async def make() -> Room:
    from layers.stores.bigtable.arrivals import BigtableArrivals
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.bigtable.shoppers import BigtableShopperRows
    from layers.stores.firestore.following import FirestoreFollowing
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    suppressions = LiveSuppressions(FirestoreFollowing.of(values), time.monotonic)
    doors, signing_keys = secrets_of(values, registry, suppressions)
    topic = PubsubPublisher.of(values, "shopper-events")
    rows = BigtableShopperRows.of(values)
    commit = GroupCommit(BigtableHotEvents.of(values), BigtableArrivals.of(values), rows, topic)
    made = Room(registry, doors, signing_keys, commit, suppressions, Bringing(rows, commit, time.monotonic))
    await _first_read(suppressions)
    settle()
    return made


async def _first_read(suppressions: Suppressions) -> None:
    """Before the first request. Fails alone: the handler tries again at each request, and says 503 until it is known
    who is erased.
    """
    with suppress(Unavailable):
        await suppressions.fresh()
