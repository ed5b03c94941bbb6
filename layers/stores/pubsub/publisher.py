"""Publishing over raw `grpc.aio`.

No batching of its own: whoever publishes has a group already. One call carries at most 1 000 messages and 10 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

import grpc
import grpc.aio

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.stores.channel import open_channel
from layers.stores.pubsub.messages import PublishRequest, PublishResponse
from layers.stores.pubsub.port import Message, Unavailable

MAX_MESSAGES = 1000
MAX_BYTES = 9_000_000


def batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Groups that one call may carry, in order."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == MAX_MESSAGES or size + len(message.data) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.data)
    if batch:
        yield batch


class PubsubPublisher:
    """One topic. Passes `tests/contracts/test_publisher.py` together with its fake."""

    def __init__(self, channel: grpc.aio.Channel, topic: str, timeout_s: float = 10.0) -> None:
        self._topic, self._timeout_s = topic, timeout_s
        self._metadata = (("x-goog-request-params", f"topic={quote(topic, safe='')}"),)
        self._publish = channel.unary_unary(
            "/google.pubsub.v1.Publisher/Publish", PublishRequest.SerializeToString, PublishResponse.FromString
        )

    @classmethod
    def of(cls, values: Settings, topic: str) -> PubsubPublisher:
        channel = open_channel("pubsub.googleapis.com", values.emulator("pubsub"))
        return cls(channel, values[settings.topic(topic)])

    async def publish(self, messages: Sequence[Message]) -> None:
        for batch in batches(messages):
            request = PublishRequest(topic=self._topic)
            for message in batch:
                request.messages.add(data=message.data).attributes.update(message.attributes)
            try:
                await self._publish(request, timeout=self._timeout_s, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                raise Unavailable(f"Publish: {error.code().name}") from None
