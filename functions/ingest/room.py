"""Everything ingest needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from functions.ingest.commit import GroupCommit
from functions.ingest.rules import Door
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.signature import decode_key
from layers.retailers import Registry
from layers.shell.settle import settle


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    doors, signing_keys: by retailer id.
    """

    registry: Registry
    doors: dict[str, Door]
    signing_keys: dict[str, bytes]
    commit: GroupCommit


def secrets_of(values: Settings, registry: Registry) -> tuple[dict[str, Door], dict[str, bytes]]:
    """What both secrets of every retailer are for.

    Raises:
        MissingSetting, InvalidKey: a function without its secrets must not start.
    """
    return (
        {r.id: Door(r, Pseudonymiser(values[settings.secret(SecretKind.PSEUDONYM_KEY, r.id)])) for r in registry},
        {r.id: decode_key(values[settings.secret(SecretKind.SIGNING_KEY, r.id)]) for r in registry},
    )


async def make() -> Room:
    from layers.stores.bigtable.arrivals import BigtableArrivals
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    doors, signing_keys = secrets_of(values, registry)
    topic = PubsubPublisher.of(values, "shopper-events")
    commit = GroupCommit(BigtableHotEvents.of(values), BigtableArrivals.of(values), topic)
    settle()
    return Room(registry, doors, signing_keys, commit)
