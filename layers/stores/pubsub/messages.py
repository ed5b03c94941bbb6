"""The messages of Pub/Sub's API that `publisher` sends, and of each only the fields that it uses.

Source: google/pubsub/v1/pubsub.proto.
"""

from __future__ import annotations

from typing import Any

from layers.stores.messages import Messages, Table

TABLE: Table = {
    "google.pubsub.v1": {
        "PubsubMessage": ("bytes data = 1", "map<string, string> attributes = 2"),
        "PublishRequest": ("string topic = 1", "repeated PubsubMessage messages = 2"),
        "PublishResponse": ("repeated string message_ids = 1",),
    },
}

_messages = Messages(TABLE)
_API = "google.pubsub.v1."

PublishRequest: Any = _messages[_API + "PublishRequest"]
PublishResponse: Any = _messages[_API + "PublishResponse"]
