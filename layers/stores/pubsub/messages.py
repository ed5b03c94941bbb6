"""The messages of Pub/Sub's API that `publisher` and `dead_letters` send, and of each only the fields that they
use.

Source: google/pubsub/v1/pubsub.proto.
"""

from __future__ import annotations

from typing import Any

from layers.stores.messages import Messages, Table

TABLE: Table = {
    "google.protobuf": {
        "Timestamp": ("int64 seconds = 1", "int32 nanos = 2"),
        "Empty": (),
    },
    "google.pubsub.v1": {
        "PubsubMessage": (
            "bytes data = 1",
            "map<string, string> attributes = 2",
            "string message_id = 3",
            "google.protobuf.Timestamp publish_time = 4",
        ),
        "PublishRequest": ("string topic = 1", "repeated PubsubMessage messages = 2"),
        "PublishResponse": ("repeated string message_ids = 1",),
        "ReceivedMessage": ("string ack_id = 1", "PubsubMessage message = 2"),
        "PullRequest": ("string subscription = 1", "bool return_immediately = 2", "int32 max_messages = 3"),
        "PullResponse": ("repeated ReceivedMessage received_messages = 1",),
        "AcknowledgeRequest": ("string subscription = 1", "repeated string ack_ids = 2"),
        "ModifyAckDeadlineRequest": (
            "string subscription = 1",
            "int32 ack_deadline_seconds = 3",
            "repeated string ack_ids = 4",
        ),
    },
}

_messages = Messages(TABLE)
_API = "google.pubsub.v1."

PublishRequest: Any = _messages[_API + "PublishRequest"]
PublishResponse: Any = _messages[_API + "PublishResponse"]
PullRequest: Any = _messages[_API + "PullRequest"]
PullResponse: Any = _messages[_API + "PullResponse"]
AcknowledgeRequest: Any = _messages[_API + "AcknowledgeRequest"]
ModifyAckDeadlineRequest: Any = _messages[_API + "ModifyAckDeadlineRequest"]
Empty: Any = _messages["google.protobuf.Empty"]
