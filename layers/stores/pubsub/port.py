"""What functions need of a topic, and of the subscriptions that keep what could not be delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Held:
    """A message that nobody else is given for a while.

    Attributes:
        id: Pub/Sub's; the same when it is given again. handle: of this giving; later ones have others.
        published: when, onto the topic that it was taken from.
    """

    id: str
    handle: str
    message: Message
    published: datetime


class DeadLetters(Protocol):
    """The subscriptions that keep what could not be delivered. Pub/Sub lists no messages: to look at one is to take it,
    alone, for `DEAD_LETTER_LEASE_S` seconds. Every call raises Unavailable, and may be repeated.
    """

    @property
    def names(self) -> Sequence[str]:
        """Of the subscriptions, e.g. `cooling--decisions--dead`."""

    async def take(self, name: str) -> Sequence[Held]:
        """Some that nobody has taken; none after waiting for a moment in vain."""

    async def keep(self, name: str, handles: Sequence[str]) -> None:
        """For as long again, from now on."""

    async def release(self, name: str, handles: Sequence[str]) -> None:
        """Others may take them at once."""

    async def forget(self, name: str, handles: Sequence[str]) -> None:
        """They are gone for good."""

    async def put_back(self, name: str, messages: Sequence[Message]) -> None:
        """As new messages of the same subscription."""
