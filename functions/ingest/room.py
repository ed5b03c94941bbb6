"""Everything ingest needs, made once in the serving process: its composition root."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from functions.ingest.commit import GroupCommit
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.signature import decode_key
from layers.retailers import Registry


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    pseudonymisers, signing_keys: by retailer id.
    """

    registry: Registry
    pseudonymisers: dict[str, Pseudonymiser]
    signing_keys: dict[str, bytes]
    commit: GroupCommit


def secrets_of(values: Settings, registry: Registry) -> tuple[dict[str, Pseudonymiser], dict[str, bytes]]:
    """Both secrets of every retailer.

    Raises:
        MissingSetting, InvalidKey: a function without its secrets must not start.
    """
    return (
        {r.id: Pseudonymiser(values[settings.secret(SecretKind.PSEUDONYM_KEY, r.id)]) for r in registry},
        {r.id: decode_key(values[settings.secret(SecretKind.SIGNING_KEY, r.id)]) for r in registry},
    )


async def make() -> Room:
    from layers.stores.bigtable.events import BigtableHotEvents
    from layers.stores.pubsub.publisher import PubsubPublisher

    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    pseudonymisers, signing_keys = secrets_of(values, registry)
    commit = GroupCommit(BigtableHotEvents.of(values), PubsubPublisher.of(values, "shopper-events"))
    # What start-up made lives as long as the process: the collector need not look at it again at every pass.
    gc.collect()
    gc.freeze()
    return Room(registry, pseudonymisers, signing_keys, commit)
