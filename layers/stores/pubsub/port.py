"""What functions need of a topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    data: bytes
    attributes: Mapping[str, str]


class Unavailable(Exception):
    """Pub/Sub cannot take it now; nothing is known to be published, and the caller may repeat."""


class Publisher(Protocol):
    async def publish(self, messages: Sequence[Message]) -> None:
        """All of them, durable when it returns.

        Raises:
            Unavailable: repeat the call; a consumer drops duplicates by event id.
        """
