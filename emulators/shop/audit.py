"""An ear on the topic `shopper-events`: a pull subscription of the demo's own, which counts what was really dispatched.

Independent of cooling and decisioning, so that an event which they lose is seen to have been there.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1.types import pubsub

from emulators.shop.stage import DemoFailed
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.record import decode_lines

TOPIC = "shopper-events"
SUBSCRIPTION = "demo-audit"

_PULL_S = 5.0
_MESSAGES = 50
"""A message holds up to 200 kB; the answer to a pull stays well below what is comfortable in memory."""

_SERVICE = "/google.pubsub.v1.Subscriber/"
_Subscription: Any = pubsub.Subscription.pb()
_DeleteSubscriptionRequest: Any = pubsub.DeleteSubscriptionRequest.pb()
_PullRequest: Any = pubsub.PullRequest.pb()
_PullResponse: Any = pubsub.PullResponse.pb()
_AcknowledgeRequest: Any = pubsub.AcknowledgeRequest.pb()


class Audit:
    """Listens from `with` on. Attributes: ids: of the distinct events heard. corrupt: lines that were no event."""

    def __init__(self, values: Settings, retailer_id: str) -> None:
        self.ids: set[str] = set()
        self.corrupt = 0
        self._retailer_id = retailer_id
        self._topic = values[settings.topic(TOPIC)]
        self._name = f"projects/{self._topic.split('/')[1]}/subscriptions/{SUBSCRIPTION}"
        host = values.emulator("pubsub")
        if host is None:
            raise DemoFailed("the demo's own subscription is for the laptop stack; there is no Pub/Sub emulator here")
        self._channel = grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="audit", daemon=True)

    def _call(self, method: str, request: Any, answer: Any, timeout: float = 30.0) -> Any:
        stub = self._channel.unary_unary(_SERVICE + method, type(request).SerializeToString, answer.FromString)
        return stub(request, timeout=timeout)

    def __enter__(self) -> Audit:
        try:
            self._call("DeleteSubscription", _DeleteSubscriptionRequest(subscription=self._name), empty_pb2.Empty)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
        wanted = _Subscription(name=self._name, topic=self._topic, ack_deadline_seconds=60)
        self._call("CreateSubscription", wanted, _Subscription)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._channel.close()
        self._thread.join(timeout=_PULL_S)

    def _listen(self) -> None:
        request = _PullRequest(subscription=self._name, max_messages=_MESSAGES)
        while not self._ending.is_set():
            try:
                received = self._call("Pull", request, _PullResponse, _PULL_S).received_messages
                for each in received:
                    if each.message.attributes.get("retailer") == self._retailer_id:
                        self._hear(each.message.data)
                if received:
                    done = _AcknowledgeRequest(subscription=self._name, ack_ids=[each.ack_id for each in received])
                    self._call("Acknowledge", done, empty_pb2.Empty)
            except (grpc.RpcError, ValueError):
                # A pull without messages ends by its deadline; a closed channel ends the story, or the next pull does.
                self._ending.wait(0.05)

    def _hear(self, data: bytes) -> None:
        records, corrupt = decode_lines(data)
        self.corrupt += len(corrupt)
        self.ids.update(record.event.id for record in records)
