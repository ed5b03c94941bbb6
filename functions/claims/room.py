"""Everything claims needs, made once in the serving process: its composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from layers.calling import PrivateService
from layers.declarations import SecretKind, settings
from layers.declarations.settings import Settings
from layers.privacy.keyring import KeyRing
from layers.privacy.signature import decode_key
from layers.retailers import Registry


@dataclass(frozen=True, slots=True)
class Room:
    """Attributes:
    rings, doors: pseudonym keys, and the keys of shoppers' tokens, by retailer id.
    """

    registry: Registry
    rings: Mapping[str, KeyRing]
    doors: Mapping[str, bytes]
    rewards: PrivateService


async def make() -> Room:
    values = Settings.of_process()
    registry = Registry.of_environment(values.values, settings.RETAILER_PREFIX)
    rings = {r.id: KeyRing.of(values, r) for r in registry}
    doors = {r.id: decode_key(values[settings.secret(SecretKind.SIGNING_KEY, r.id)]) for r in registry}
    return Room(registry, rings, doors, PrivateService.of(values, "rewards", "claims"))
