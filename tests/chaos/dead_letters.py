"""What an operator does after an outage: messages that Pub/Sub gave up are delivered again.

In the cloud Pub/Sub tries for about 14 minutes, ever more slowly. The emulator has no backoff: its 20 attempts are used
up within seconds of an outage, so here even a short one leaves dead letters.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
from google.pubsub_v1.types import pubsub

from layers.shell.push import encode_push
from tests.chaos.site import Site
from tests.loopback import HTTP

SUBSCRIPTIONS = {
    "cooling--shopper-events": "cooling",
    "cooling--decisions": "cooling",
    "decisioning--shopper-events": "decisioning",
}
"""Those that push, and the function that each pushes to."""

_PullRequest: Any = pubsub.PullRequest.pb()
_PullResponse: Any = pubsub.PullResponse.pb()
_AcknowledgeRequest: Any = pubsub.AcknowledgeRequest.pb()
_ModifyAckDeadlineRequest: Any = pubsub.ModifyAckDeadlineRequest.pb()


def delivered_again(site: Site) -> int:
    """Takes every dead letter there is and posts it to its function; how many it took. One that is refused stays."""
    with grpc.insecure_channel(site.values.emulator("pubsub")) as channel:
        return sum(_of(site, channel, name, function) for name, function in SUBSCRIPTIONS.items())


def _of(site: Site, channel: Any, name: str, function: str) -> int:
    dead = f"projects/{site.project}/subscriptions/{name}--dead"
    # As many as are posted before their lease of ten seconds is over.
    pulled = _call(channel, "Pull", _PullRequest(subscription=dead, max_messages=20, return_immediately=True))
    done = 0
    for each in _PullResponse.FromString(pulled).received_messages:
        message = each.message
        body = encode_push(message.data, dict(message.attributes), message.message_id, datetime.now(UTC), name)
        taken = HTTP.post(f"{site.stack.address(function)}/", content=body, timeout=60).is_success
        if taken:
            _call(channel, "Acknowledge", _AcknowledgeRequest(subscription=dead, ack_ids=[each.ack_id]))
        else:
            put_back = _ModifyAckDeadlineRequest(subscription=dead, ack_ids=[each.ack_id], ack_deadline_seconds=0)
            _call(channel, "ModifyAckDeadline", put_back)
        done += taken
    return done


def _call(channel: Any, method: str, request: Any) -> bytes:
    path = f"/google.pubsub.v1.Subscriber/{method}"
    return bytes(channel.unary_unary(path, type(request).SerializeToString)(request, timeout=30))
