"""The messages of Bigtable's data API that `wire` sends and reads, and of each only the fields that it uses.

Source: google/bigtable/v2/bigtable.proto and data.proto. A field left out here is skipped when it is read.
"""

from __future__ import annotations

from typing import Any

from layers.stores.messages import Messages, Table

TABLE: Table = {
    "google.protobuf": {
        "StringValue": ("string value = 1",),
        "BytesValue": ("bytes value = 1",),
    },
    "google.rpc": {
        "Status": ("int32 code = 1",),
    },
    "google.bigtable.v2": {
        "TimestampRange": ("int64 start_timestamp_micros = 1", "int64 end_timestamp_micros = 2"),
        "ValueRange": (
            "oneof start_value: bytes start_value_closed = 1",
            "oneof end_value: bytes end_value_closed = 3",
        ),
        "RowFilter": (
            "oneof filter: Chain chain = 1",
            "oneof filter: Interleave interleave = 2",
            "oneof filter: int32 cells_per_row_limit_filter = 11",
            "oneof filter: int32 cells_per_column_limit_filter = 12",
            "oneof filter: string family_name_regex_filter = 5",
            "oneof filter: bytes column_qualifier_regex_filter = 6",
            "oneof filter: TimestampRange timestamp_range_filter = 8",
            "oneof filter: ValueRange value_range_filter = 15",
            "oneof filter: bool strip_value_transformer = 13",
        ),
        "RowFilter.Chain": ("repeated RowFilter filters = 1",),
        "RowFilter.Interleave": ("repeated RowFilter filters = 1",),
        "RowRange": ("oneof start_key: bytes start_key_closed = 1", "oneof end_key: bytes end_key_open = 3"),
        "RowSet": ("repeated bytes row_keys = 1", "repeated RowRange row_ranges = 2"),
        "Mutation": (
            "oneof mutation: SetCell set_cell = 1",
            "oneof mutation: DeleteFromColumn delete_from_column = 2",
            "oneof mutation: DeleteFromFamily delete_from_family = 3",
            "oneof mutation: DeleteFromRow delete_from_row = 4",
        ),
        "Mutation.SetCell": (
            "string family_name = 1",
            "bytes column_qualifier = 2",
            "int64 timestamp_micros = 3",
            "bytes value = 4",
        ),
        "Mutation.DeleteFromColumn": (
            "string family_name = 1",
            "bytes column_qualifier = 2",
            "TimestampRange time_range = 3",
        ),
        "Mutation.DeleteFromFamily": ("string family_name = 1",),
        "Mutation.DeleteFromRow": (),
        "ReadRowsRequest": (
            "string table_name = 1",
            "string app_profile_id = 5",
            "RowSet rows = 2",
            "RowFilter filter = 3",
            "int64 rows_limit = 4",
        ),
        "ReadRowsResponse": ("repeated CellChunk chunks = 1",),
        "ReadRowsResponse.CellChunk": (
            "bytes row_key = 1",
            "google.protobuf.StringValue family_name = 2",
            "google.protobuf.BytesValue qualifier = 3",
            "int64 timestamp_micros = 4",
            "bytes value = 6",
            "int32 value_size = 7",
            "oneof row_status: bool reset_row = 8",
            "oneof row_status: bool commit_row = 9",
        ),
        "MutateRowsRequest": (
            "string table_name = 1",
            "string app_profile_id = 3",
            "repeated Entry entries = 2",
        ),
        "MutateRowsRequest.Entry": ("bytes row_key = 1", "repeated Mutation mutations = 2"),
        "MutateRowsResponse": ("repeated Entry entries = 1",),
        "MutateRowsResponse.Entry": ("int64 index = 1", "google.rpc.Status status = 2"),
        "CheckAndMutateRowRequest": (
            "string table_name = 1",
            "string app_profile_id = 7",
            "bytes row_key = 2",
            "RowFilter predicate_filter = 6",
            "repeated Mutation true_mutations = 4",
            "repeated Mutation false_mutations = 5",
        ),
        "CheckAndMutateRowResponse": ("bool predicate_matched = 1",),
    },
}

_messages = Messages(TABLE)
_API = "google.bigtable.v2."

MutateRowsRequest: Any = _messages[_API + "MutateRowsRequest"]
MutateRowsResponse: Any = _messages[_API + "MutateRowsResponse"]
ReadRowsRequest: Any = _messages[_API + "ReadRowsRequest"]
ReadRowsResponse: Any = _messages[_API + "ReadRowsResponse"]
CheckAndMutateRowRequest: Any = _messages[_API + "CheckAndMutateRowRequest"]
CheckAndMutateRowResponse: Any = _messages[_API + "CheckAndMutateRowResponse"]
Mutation: Any = _messages[_API + "Mutation"]
RowFilter: Any = _messages[_API + "RowFilter"]
