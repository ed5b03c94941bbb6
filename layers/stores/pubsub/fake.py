"""A topic in memory, for tests of handlers. Passes the same contract suite as Pub/Sub."""

from __future__ import annotations

from collections.abc import Sequence

from layers.stores.pubsub.port import Message, Unavailable


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
