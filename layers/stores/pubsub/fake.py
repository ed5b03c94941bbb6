"""A topic and dead letters in memory, for tests of handlers. They pass the same contract suites as Pub/Sub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from layers.stores.pubsub.port import Held, Message, Unavailable
from layers.stores.topics import DEAD_LETTER_LEASE_S


class FakePublisher:
    """Attributes:
    messages: all that was published. down: while True every call raises Unavailable.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.down = False

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.down:
            raise Unavailable("the fake is down")
        self.messages.extend(messages)


class FakeDeadLetters:
    """Dead letters in memory.

    Attributes:
        letters: by subscription and message id, in the order in which they came. down: while True every call raises
            Unavailable. now: of the real clock, when the next message is published.
    """

    def __init__(self, names: Sequence[str], clock: Callable[[], float] = lambda: 0.0) -> None:
        self.names, self._clock = sorted(names), clock
        self.letters: dict[str, dict[str, Held]] = {name: {} for name in self.names}
        self.down = False
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self._leases: dict[str, tuple[str, float]] = {}
        """By message, the handle that holds it, and until when."""
        self._number = 0

    def holds(self, name: str) -> list[Message]:
        """What lies there, taken or not."""
        return [held.message for held in self.letters[name].values()]

    async def take(self, name: str) -> Sequence[Held]:
        self._answer()
        free = [each for each in self.letters[name].values() if self._until(each.id) <= self._clock()]
        return [self._leased(name, each) for each in free[:100]]

    async def keep(self, name: str, handles: Sequence[str]) -> None:
        self._answer()
        self._leases |= {
            id: (handle, self._clock() + DEAD_LETTER_LEASE_S)
            for id, (handle, _) in self._leases.items()
            if handle in handles
        }

    async def release(self, name: str, handles: Sequence[str]) -> None:
        self._answer()
        self._leases = {id: lease for id, lease in self._leases.items() if lease[0] not in handles}

    async def forget(self, name: str, handles: Sequence[str]) -> None:
        self._answer()
        for id in [id for id, (handle, _) in self._leases.items() if handle in handles]:
            self.letters[name].pop(id, None)

    async def put_back(self, name: str, messages: Sequence[Message]) -> None:
        self._answer()
        for message in messages:
            self._number += 1
            held = Held(f"m{self._number}", "", message, self.now)
            self.letters[name][held.id] = held

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("the fake is down")

    def _until(self, id: str) -> float:
        return self._leases.get(id, ("", float("-inf")))[1]

    def _leased(self, name: str, held: Held) -> Held:
        self._number += 1
        given = replace(held, handle=f"h{self._number}")
        self._leases[held.id] = (given.handle, self._clock() + DEAD_LETTER_LEASE_S)
        return given
