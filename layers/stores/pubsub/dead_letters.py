"""Taking dead letters and putting them back, over raw `grpc.aio`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import grpc
import grpc.aio
import msgspec

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.stores.channel import open_channel
from layers.stores.pubsub.messages import AcknowledgeRequest, Empty, ModifyAckDeadlineRequest, PullRequest, PullResponse
from layers.stores.pubsub.port import Held, Message, Unavailable
from layers.stores.pubsub.publisher import PubsubPublisher
from layers.stores.topics import DEAD_LETTER_LEASE_S

AT_ONCE = 100
"""Messages of one pull: 20 MB at most, since one is packed to 200 kB."""

HANDLES = 1000
"""Of one call, which may carry 512 kB; a handle has some 200 bytes."""

WAIT_S = 2.0
"""How long the cloud is given to find a message. The emulator holds all in memory, and answers at once."""


class PubsubDeadLetters:
    """Passes `tests/contracts/test_dead_letters.py` together with its fake.

    Args:
        topics: each subscription's own topic, both by their full names.
    """

    def __init__(
        self, channel: grpc.aio.Channel, topics: dict[str, str], *, at_once: bool = False, timeout_s: float = 10.0
    ) -> None:
        self._topics = {_name(subscription): PubsubPublisher(channel, topic) for subscription, topic in topics.items()}
        self._full = {_name(subscription): subscription for subscription in topics}
        self.names = sorted(self._full)
        self._at_once, self._timeout_s = at_once, timeout_s
        self._pull = _call(channel, "Pull", PullRequest, PullResponse)
        self._acknowledge = _call(channel, "Acknowledge", AcknowledgeRequest, Empty)
        self._modify = _call(channel, "ModifyAckDeadline", ModifyAckDeadlineRequest, Empty)

    @classmethod
    def of(cls, values: Settings) -> PubsubDeadLetters:
        emulator = values.emulator("pubsub")
        topics = msgspec.json.decode(values[settings.DEAD_LETTERS], type=dict[str, str])
        return cls(open_channel("pubsub.googleapis.com", emulator), topics, at_once=emulator is not None)

    async def take(self, name: str) -> Sequence[Held]:
        request = PullRequest(subscription=self._full[name], max_messages=AT_ONCE, return_immediately=self._at_once)
        try:
            pulled = await self._pull(request, timeout=WAIT_S, metadata=self._for(name))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return []
            raise Unavailable(f"Pull: {error.code().name}") from None
        return [
            Held(
                each.message.message_id,
                each.ack_id,
                Message(each.message.data, dict(each.message.attributes)),
                datetime.fromtimestamp(each.message.publish_time.seconds, UTC),
            )
            for each in pulled.received_messages
        ]

    async def keep(self, name: str, handles: Sequence[str]) -> None:
        await self._lease(name, handles, DEAD_LETTER_LEASE_S)

    async def release(self, name: str, handles: Sequence[str]) -> None:
        await self._lease(name, handles, 0)

    async def forget(self, name: str, handles: Sequence[str]) -> None:
        for some in _some(handles):
            await self._change(self._acknowledge, AcknowledgeRequest(subscription=self._full[name], ack_ids=some))

    async def put_back(self, name: str, messages: Sequence[Message]) -> None:
        await self._topics[name].publish(messages)

    async def _lease(self, name: str, handles: Sequence[str], seconds: int) -> None:
        for some in _some(handles):
            request = ModifyAckDeadlineRequest(
                subscription=self._full[name], ack_ids=some, ack_deadline_seconds=seconds
            )
            await self._change(self._modify, request)

    async def _change(self, call: Any, request: Any) -> None:
        try:
            await call(request, timeout=self._timeout_s, metadata=self._for(_name(request.subscription)))
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"{type(request).__name__}: {error.code().name}") from None

    def _for(self, name: str) -> tuple[tuple[str, str], ...]:
        return (("x-goog-request-params", f"subscription={quote(self._full[name], safe='')}"),)


def _name(subscription: str) -> str:
    return subscription.rpartition("/")[2]


def _some(handles: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(handles), HANDLES):
        yield handles[start : start + HANDLES]


def _call(channel: grpc.aio.Channel, method: str, request: Any, answer: Any) -> Any:
    return channel.unary_unary(f"/google.pubsub.v1.Subscriber/{method}", request.SerializeToString, answer.FromString)
