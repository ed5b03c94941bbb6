"""Everything draws needs, made once in the serving process: its composition root."""

from __future__ import annotations

from dataclasses import dataclass

from layers.calling import PrivateService
from layers.declarations.settings import Settings


@dataclass(frozen=True, slots=True)
class Room:
    rewards: PrivateService


async def make() -> Room:
    return Room(PrivateService.of(Settings.of_process(), "rewards", "draws"))
