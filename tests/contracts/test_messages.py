"""Our own tables of messages say what the official packages say, and the bytes are theirs."""

from __future__ import annotations

import subprocess
import sys
from types import MappingProxyType
from typing import Any

import pytest
from google.cloud.bigtable_v2.types import bigtable as official_bigtable
from google.cloud.bigtable_v2.types import data as official_data
from google.cloud.firestore_v1.types import firestore as official_firestore
from google.protobuf import descriptor_pool
from google.pubsub_v1.types import pubsub as official_pubsub

from layers.stores.bigtable import messages as bigtable
from layers.stores.firestore import messages as firestore
from layers.stores.messages import InvalidTable, Messages, Table
from layers.stores.pubsub import messages as pubsub

TABLES = {"bigtable": bigtable.TABLE, "pubsub": pubsub.TABLE, "firestore": firestore.TABLE}
DECLARED = [
    pytest.param(table, f"{package}.{message}", id=f"{package}.{message}")
    for table in TABLES.values()
    for package, messages in table.items()
    for message in messages
]


def _shape(field: Any) -> tuple[object, ...]:
    """All that decides a field's bytes and its presence."""
    message = field.message_type
    entry = message is not None and message.GetOptions().map_entry
    return (
        field.name,
        field.number,
        field.type,
        field.label,
        field.has_presence,
        field.is_packed,
        field.containing_oneof.name if field.containing_oneof else None,
        [_shape(part) for part in message.fields] if entry else message and message.full_name,
    )


@pytest.mark.parametrize(("table", "name"), DECLARED)
def test_each_declared_field_is_the_official_one(table: Table, name: str) -> None:
    # Imported above, the official packages stand in protobuf's default pool; ours have a pool of their own.
    official = descriptor_pool.Default().FindMessageTypeByName(name)
    ours = Messages(table)[name].DESCRIPTOR
    assert ours is not official
    for field in ours.fields:
        assert field.name in official.fields_by_name
        assert _shape(field) == _shape(official.fields_by_name[field.name])


@pytest.mark.parametrize(
    "line", ["string", "string name", "strin?g name = 1", "repeated oneof a: string b = 1", "map<int32, string> a = 1"]
)
def test_a_line_that_is_no_field_is_refused(line: str) -> None:
    with pytest.raises(InvalidTable, match=r"p\.M declares .*write it as in the \.proto file"):
        Messages({"p": {"M": (line,)}})


def test_a_message_that_is_not_declared_is_refused() -> None:
    with pytest.raises(TypeError, match="Elsewhere"):
        Messages({"p": {"M": ("Elsewhere there = 1",)}})


def _cell(make: Any) -> Any:
    return make(set_cell=make.SetCell(family_name="f", column_qualifier=b"e", timestamp_micros=-1, value=b"\x00v"))


def _chain(make: Any) -> Any:
    some = make(value_range_filter={"start_value_closed": b"", "end_value_closed": b"z"})
    time = make(timestamp_range_filter={"end_timestamp_micros": 1_763_800_000_123_000})
    return make(chain=make.Chain(filters=[make(strip_value_transformer=False), some, time]))


QUERY: dict[str, Any] = {
    "from_": [{"collection_id": "c"}],
    "order_by": [{"field": {"field_path": "f"}}],
    "start_at": {"values": [{"timestamp_value": {"seconds": 5, "nanos": 7000}}], "before": True},
    "limit": {"value": 3},
}
FIELDS: dict[str, Any] = {"a": {"string_value": ""}, "b": {"timestamp_value": {"seconds": -1, "nanos": 1000}}}
OFFICIAL_MUTATION, OFFICIAL_FILTER = official_data.Mutation.pb(), official_data.RowFilter.pb()
EXAMPLES: list[tuple[Any, Any]] = [
    (
        bigtable.MutateRowsRequest(
            table_name="t",
            app_profile_id="p",
            entries=[
                {"row_key": b"r", "mutations": [_cell(bigtable.Mutation)]},
                {"row_key": b"s", "mutations": [bigtable.Mutation(delete_from_row={})]},
                {"row_key": b"t", "mutations": [bigtable.Mutation(delete_from_family={"family_name": "g"})]},
            ],
        ),
        official_bigtable.MutateRowsRequest.pb()(
            table_name="t",
            app_profile_id="p",
            entries=[
                {"row_key": b"r", "mutations": [_cell(OFFICIAL_MUTATION)]},
                {"row_key": b"s", "mutations": [OFFICIAL_MUTATION(delete_from_row={})]},
                {"row_key": b"t", "mutations": [OFFICIAL_MUTATION(delete_from_family={"family_name": "g"})]},
            ],
        ),
    ),
    (
        bigtable.ReadRowsRequest(
            rows={"row_keys": [b"k"], "row_ranges": [{"start_key_closed": b"", "end_key_open": b"z"}]},
            filter=_chain(bigtable.RowFilter),
            rows_limit=7,
        ),
        official_bigtable.ReadRowsRequest.pb()(
            rows={"row_keys": [b"k"], "row_ranges": [{"start_key_closed": b"", "end_key_open": b"z"}]},
            filter=_chain(OFFICIAL_FILTER),
            rows_limit=7,
        ),
    ),
    (
        bigtable.ReadRowsResponse(
            chunks=[
                {"row_key": b"r", "family_name": {"value": "f"}, "qualifier": {"value": b""}, "value": b"v"},
                {"timestamp_micros": 5, "value_size": 9, "commit_row": True},
                {"reset_row": True},
            ]
        ),
        official_bigtable.ReadRowsResponse.pb()(
            chunks=[
                {"row_key": b"r", "family_name": {"value": "f"}, "qualifier": {"value": b""}, "value": b"v"},
                {"timestamp_micros": 5, "value_size": 9, "commit_row": True},
                {"reset_row": True},
            ]
        ),
    ),
    (
        bigtable.CheckAndMutateRowRequest(
            row_key=b"r", predicate_filter=_chain(bigtable.RowFilter), false_mutations=[_cell(bigtable.Mutation)]
        ),
        official_bigtable.CheckAndMutateRowRequest.pb()(
            row_key=b"r", predicate_filter=_chain(OFFICIAL_FILTER), false_mutations=[_cell(OFFICIAL_MUTATION)]
        ),
    ),
    (
        bigtable.MutateRowsResponse(entries=[{"index": 3, "status": {"code": 14}}, {"index": 0, "status": {}}]),
        official_bigtable.MutateRowsResponse.pb()(
            entries=[{"index": 3, "status": {"code": 14}}, {"index": 0, "status": {}}]
        ),
    ),
    (
        pubsub.PublishRequest(topic="t", messages=[{"data": b"\xff", "attributes": MappingProxyType({"a": "b"})}]),
        official_pubsub.PublishRequest.pb()(topic="t", messages=[{"data": b"\xff", "attributes": {"a": "b"}}]),
    ),
    (
        firestore.RunQueryRequest(parent="p", structured_query=QUERY),
        official_firestore.RunQueryRequest.pb()(parent="p", structured_query=QUERY),
    ),
    (
        firestore.RunQueryResponse(document={"name": "d", "fields": MappingProxyType(FIELDS)}),
        official_firestore.RunQueryResponse.pb()(document={"name": "d", "fields": FIELDS}),
    ),
]


@pytest.mark.parametrize(("ours", "official"), EXAMPLES, ids=[type(ours).__name__ for ours, _ in EXAMPLES])
def test_the_same_message_is_the_same_bytes_and_comes_back(ours: Any, official: Any) -> None:
    data = official.SerializeToString(deterministic=True)
    assert ours.SerializeToString(deterministic=True) == data
    assert type(ours).FromString(data) == ours
    assert type(official).FromString(ours.SerializeToString()) == official


def test_what_is_not_declared_is_skipped() -> None:
    official = official_bigtable.MutateRowsResponse.pb()(entries=[{"index": 1, "status": {"code": 4, "message": "m"}}])
    answer = bigtable.MutateRowsResponse.FromString(official.SerializeToString())
    assert (answer.entries[0].index, answer.entries[0].status.code) == (1, 4)


def test_ingest_imports_no_official_package() -> None:
    """0.19 s of CPU and 25 MB of every instance."""
    script = (
        "import functions.ingest.handler, layers.stores.bigtable.events, layers.stores.pubsub.publisher, sys\n"
        "import layers.stores.firestore.following, layers.stores.suppressions\n"
        "official = 'google.cloud.bigtable', 'google.cloud.firestore', 'google.pubsub', 'google.api_core'\n"
        "print([n for n in sys.modules if n.startswith(official)])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
