"""The dump itself: what is put into an emulator, by whatever client, is in it."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

import boto3
import pytest

from tests.loopback import HTTP
from tests.privacy.dump import Dump

pytestmark = [pytest.mark.emulators, pytest.mark.timeout(180)]

PROJECT = "dumped"
DATABASE = f"projects/{PROJECT}/databases/(default)"


def dump(hosts: dict[str, str], folder: Path) -> Dump:
    return Dump(hosts, PROJECT, f"projects/{PROJECT}/instances/i", [DATABASE], folder, [])


@pytest.fixture
def mark() -> str:
    return f"m{uuid.uuid4().hex}"


def test_bigtable_every_version_of_every_cell(bigtable_emulator: str, tmp_path: Path, mark: str) -> None:
    import grpc
    from google.cloud.bigtable_admin_v2.types import bigtable_table_admin as admin
    from google.cloud.bigtable_v2.types import bigtable

    name = f"projects/{PROJECT}/instances/i/tables/{mark}"
    with grpc.insecure_channel(bigtable_emulator) as channel:

        def call(path: str, request: object, kind: type) -> None:
            channel.unary_unary(path, kind.serialize)(request, timeout=30)  # type: ignore[attr-defined]

        table: dict[str, object] = {"column_families": {"f": {}}}
        request = admin.CreateTableRequest(parent=name.partition("/tables/")[0], table_id=mark, table=table)
        call("/google.bigtable.admin.v2.BigtableTableAdmin/CreateTable", request, admin.CreateTableRequest)
        for version in (1, 2):
            cell = {"family_name": "f", "column_qualifier": b"col" + mark.encode(), "timestamp_micros": version * 1000}
            cell["value"] = f"{mark}{version}".encode() + b"x" * 300_000
            change = bigtable.MutateRowRequest(table_name=name, row_key=b"key", mutations=[{"set_cell": cell}])
            call("/google.bigtable.v2.Bigtable/MutateRow", change, bigtable.MutateRowRequest)
    (piece,) = [p for p in dump({"BIGTABLE_EMULATOR_HOST": bigtable_emulator}, tmp_path).bigtable() if mark in p.place]
    for text in ("key", f"col{mark}", f"{mark}1", f"{mark}2"):
        assert text.encode() in piece.data


def test_firestore_documents_below_documents(firestore_emulator: str, tmp_path: Path, mark: str) -> None:
    root = f"http://{firestore_emulator}/v1/{DATABASE}/documents"
    for number in range(301):
        content = {"fields": {"n": {"stringValue": f"{mark}-{number}"}}}
        HTTP.post(f"{root}/{mark}", params={"documentId": f"d:{number}"}, json=content).raise_for_status()
    below = {"fields": {"n": {"stringValue": f"{mark}-below"}}}
    HTTP.post(f"{root}/{mark}/nobody/inner", params={"documentId": "d"}, json=below).raise_for_status()
    pieces = b"\n".join(p.data for p in dump({"FIRESTORE_EMULATOR_HOST": firestore_emulator}, tmp_path).firestore())
    for text in (f"{mark}-0", f"{mark}-300", f"{mark}-below"):
        assert text.encode() in pieces


def test_pubsub_dead_letters_and_what_a_push_has_not_taken(pubsub_emulator: str, tmp_path: Path, mark: str) -> None:
    root = f"http://{pubsub_emulator}/v1/projects/{PROJECT}"
    HTTP.put(f"{root}/topics/{mark}", json={}).raise_for_status()
    endpoint = "http://127.0.0.1:9/nobody"
    for name, push in (("pushed", {"pushEndpoint": endpoint}), ("pulled", {})):
        body = {"topic": f"projects/{PROJECT}/topics/{mark}", "pushConfig": push}
        HTTP.put(f"{root}/subscriptions/{mark}-{name}", json=body).raise_for_status()
    data = base64.b64encode(f"one\n{mark}".encode()).decode()
    HTTP.post(f"{root}/topics/{mark}:publish", json={"messages": [{"data": data, "attributes": {"a": mark}}]})
    for _ in range(2):
        pieces = [p for p in dump({"PUBSUB_EMULATOR_HOST": pubsub_emulator}, tmp_path).pubsub() if mark in p.place]
        pulled = [p for p in pieces if p.place.endswith("pulled")]
        assert sorted(p.data.partition(b"\n")[2] for p in pulled) == [mark.encode(), b"one"], "given back each time"
    kept = HTTP.get(f"{root}/subscriptions/{mark}-pushed").json()
    assert kept["pushConfig"]["pushEndpoint"] == endpoint
    for name in ("pushed", "pulled"):
        HTTP.delete(f"{root}/subscriptions/{mark}-{name}")


def test_bigquery_rows_and_jobs(bigquery_emulator: tuple[str, str], tmp_path: Path, mark: str) -> None:
    root = f"http://{bigquery_emulator[0]}/bigquery/v2/projects/{PROJECT}"
    reference = {"projectId": PROJECT, "datasetId": mark}
    HTTP.post(f"{root}/datasets", json={"datasetReference": reference}).raise_for_status()
    fields = {"fields": [{"name": "n", "type": "STRING"}]}
    table = {"tableReference": {**reference, "tableId": "t"}, "schema": fields}
    HTTP.post(f"{root}/datasets/{mark}/tables", json=table).raise_for_status()
    numbers = "SELECT CAST(n AS STRING) AS n FROM UNNEST(GENERATE_ARRAY(1, 25000)) AS n"
    sql = f"INSERT INTO `{PROJECT}.{mark}.t` (n) SELECT CONCAT('{mark}-', n) FROM ({numbers}) AS numbers"
    HTTP.post(f"{root}/queries", json={"query": sql, "useLegacySql": False}, timeout=60).raise_for_status()
    pieces = list(dump({"BIGQUERY_EMULATOR_HOST": bigquery_emulator[0]}, tmp_path).bigquery())
    rows = [p.data for p in pieces if p.place == "bigquery:t" and mark.encode() in p.data]
    assert len(rows) == 25_000


def test_s3_all_but_what_the_retailer_delivered(s3_server: str, tmp_path: Path, mark: str) -> None:
    client = boto3.client(
        "s3", endpoint_url=s3_server, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a"
    )
    client.create_bucket(Bucket=mark)
    for key in ("ours", "theirs"):
        client.put_object(Bucket=mark, Key=key, Body=f"{mark}-{key}".encode())
    made = dump({"AWS_ENDPOINT_URL_S3": s3_server}, tmp_path)
    made.delivered.add("theirs")
    assert [p.data for p in made.s3() if mark in p.place] == [b"ours\n" + f"{mark}-ours".encode()]


def test_files_of_the_stack(tmp_path: Path, mark: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "ingest.log").write_text(mark)
    assert [(p.place, p.data) for p in dump({}, tmp_path).files()] == [("file:ingest.log", mark.encode())]
