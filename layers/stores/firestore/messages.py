"""The messages of Firestore's API that `following` sends and reads, and of each only the fields that it uses.

Source: google/firestore/v1/firestore.proto, query.proto and document.proto. A field left out here is skipped when it is
read.
"""

from __future__ import annotations

from typing import Any

from layers.stores.messages import Messages, Table

TABLE: Table = {
    "google.protobuf": {
        "Timestamp": ("int64 seconds = 1", "int32 nanos = 2"),
        "Int32Value": ("int32 value = 1",),
    },
    "google.firestore.v1": {
        "Value": (
            "oneof value_type: string string_value = 17",
            "oneof value_type: google.protobuf.Timestamp timestamp_value = 10",
        ),
        "Document": ("string name = 1", "map<string, Value> fields = 2", "google.protobuf.Timestamp update_time = 4"),
        "Cursor": ("repeated Value values = 1", "bool before = 2"),
        "StructuredQuery": (
            "repeated CollectionSelector from_ = 2",
            "repeated Order order_by = 4",
            "Cursor start_at = 7",
            "google.protobuf.Int32Value limit = 5",
        ),
        "StructuredQuery.CollectionSelector": ("string collection_id = 2",),
        "StructuredQuery.FieldReference": ("string field_path = 2",),
        "StructuredQuery.Order": ("FieldReference field = 1",),
        "RunQueryRequest": ("string parent = 1", "oneof query_type: StructuredQuery structured_query = 2"),
        "RunQueryResponse": ("Document document = 1",),
    },
}

_messages = Messages(TABLE)
_API = "google.firestore.v1."

RunQueryRequest: Any = _messages[_API + "RunQueryRequest"]
RunQueryResponse: Any = _messages[_API + "RunQueryResponse"]
