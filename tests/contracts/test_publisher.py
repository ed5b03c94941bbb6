"""What every topic promises: all of a call's messages arrive, whole; a dead topic says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import grpc
import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from layers.stores.channel import open_channel
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.pubsub.port import Message, Publisher, Unavailable
from layers.stores.pubsub.publisher import MAX_BYTES, MAX_MESSAGES, PubsubPublisher, batches


@dataclass
class Topic:
    publisher: Publisher
    received: Callable[[int], list[Message]]


def _fake() -> Topic:
    publisher = FakePublisher()
    return Topic(publisher, lambda count: publisher.messages[:count])


def _real(emulator: str, name: str) -> Topic:
    topic = f"projects/contract/topics/{name}"
    subscription = f"projects/contract/subscriptions/{name}"
    channel = grpc.insecure_channel(emulator)
    PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=topic)
    subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
    subscriber.create_subscription(name=subscription, topic=topic)

    def received(count: int) -> list[Message]:
        found: dict[str, Message] = {}
        while len(found) < count:
            for item in subscriber.pull(subscription=subscription, max_messages=1000, timeout=20).received_messages:
                found[item.message.message_id] = Message(item.message.data, dict(item.message.attributes))
                subscriber.acknowledge(subscription=subscription, ack_ids=[item.ack_id])
        channel.close()
        return list(found.values())

    return Topic(PubsubPublisher(open_channel("", emulator), topic), received)


@pytest.fixture(params=["fake", pytest.param("pubsub", marks=pytest.mark.emulators)])
async def topic(request: pytest.FixtureRequest) -> AsyncIterator[Topic]:
    if request.param == "fake":
        yield _fake()
    else:
        yield _real(request.getfixturevalue("pubsub_emulator"), f"topic-{request.node.name[:20].replace('[', '-')}")


async def test_every_message_arrives_whole(topic: Topic) -> None:
    sent = [Message(f"line {n}\nsecond".encode(), {"retailer": "demo", "count": str(n)}) for n in range(25)]
    await topic.publisher.publish(sent)
    received = topic.received(25)
    assert sorted(received, key=lambda m: m.data) == sorted(sent, key=lambda m: m.data)


async def test_publishing_nothing_is_nothing(topic: Topic) -> None:
    await topic.publisher.publish([])


@pytest.mark.emulators
async def test_a_topic_that_is_not_there_is_unavailable(pubsub_emulator: str) -> None:
    publisher = PubsubPublisher(open_channel("", pubsub_emulator), "projects/contract/topics/nowhere")
    with pytest.raises(Unavailable, match="NOT_FOUND"):
        await publisher.publish([Message(b"x", {})])


def test_batches_respect_both_limits_and_lose_nothing() -> None:
    many = [Message(b"x", {}) for _ in range(2 * MAX_MESSAGES + 1)]
    assert [len(batch) for batch in batches(many)] == [MAX_MESSAGES, MAX_MESSAGES, 1]
    large = [Message(b"x" * (MAX_BYTES // 2), {}) for _ in range(5)]
    assert [len(batch) for batch in batches(large)] == [2, 2, 1]
