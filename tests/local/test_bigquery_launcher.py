"""What the launcher of bqemulator mends: without it each of these fails or hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pyarrow as pa
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

pytestmark = [pytest.mark.emulators, pytest.mark.timeout(120)]

PROJECT = "launcher-test"
APPEND_ROWS = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"
SCHEMA = pa.schema([("id", pa.int64()), ("shopper", pa.string()), ("at", pa.timestamp("us", tz="UTC"))])
BATCH = 500


@pytest.fixture
def client(bigquery_emulator: tuple[str, str]) -> Iterator[bigquery.Client]:
    options = ClientOptions(api_endpoint=f"http://{bigquery_emulator[0]}")
    with bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options) as client:
        yield client


def new_table(client: bigquery.Client, dataset: str, name: str) -> str:
    client.create_dataset(dataset, exists_ok=True, retry=None)
    fields = [("id", "INT64"), ("shopper", "STRING"), ("at", "TIMESTAMP")]
    table = bigquery.Table(f"{PROJECT}.{dataset}.{name}", [bigquery.SchemaField(*field) for field in fields])
    client.create_table(table, retry=None)
    return f"{dataset}.{name}"


def rows(client: bigquery.Client, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in client.query(sql, retry=None, job_retry=None).result(retry=None)]


def append(address: str, table: str, batches: int, first: int) -> None:
    """Sends batches through one AppendRows stream, waiting for each answer."""
    dataset, _, name = table.partition(".")
    stream = f"projects/{PROJECT}/datasets/{dataset}/tables/{name}/streams/_default"

    def request(number: int) -> types.AppendRowsRequest:
        ids = range(first + number * BATCH, first + (number + 1) * BATCH)
        columns = [list(ids), [f"s{i % 7}" for i in ids], [1_500_000_000_000_000 + i for i in ids]]
        batch = pa.record_batch([pa.array(c, t) for c, t in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)
        data = types.AppendRowsRequest.ArrowData(
            writer_schema=types.ArrowSchema(serialized_schema=SCHEMA.serialize().to_pybytes()),
            rows=types.ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
        )
        return types.AppendRowsRequest(write_stream=stream, arrow_rows=data)

    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(
            APPEND_ROWS,
            request_serializer=types.AppendRowsRequest.serialize,
            response_deserializer=types.AppendRowsResponse.deserialize,
        )
        answers = list(call((request(number) for number in range(batches)), timeout=90))
    assert [answer.error.message for answer in answers if answer.error.code] == []
    assert len(answers) == batches


def test_writes_beside_queries_lose_nothing(client: bigquery.Client, bigquery_emulator: tuple[str, str]) -> None:
    """Two writers, while others count, merge and delete: on one connection this hangs within seconds."""
    table = new_table(client, "beside", "events")
    other = new_table(client, "beside", "erased")
    written = threading.Event()
    merge = (
        f"MERGE `{other}` t USING (SELECT id, shopper, `at` FROM `{table}` WHERE id < 1000) s ON t.id = s.id "
        "WHEN NOT MATCHED THEN INSERT (id, shopper, `at`) VALUES (s.id, s.shopper, s.`at`)"
    )
    work: list[Callable[[], object]] = [
        lambda: rows(client, f"SELECT shopper, COUNT(*) FROM `{table}` GROUP BY shopper"),
        lambda: (rows(client, merge), rows(client, f"DELETE FROM `{other}` WHERE shopper = 's3'")),
    ]

    def until_written(query: Callable[[], object]) -> int:
        done = 0
        while not written.is_set() or done == 0:
            query()
            done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        queries = [pool.submit(until_written, query) for query in work]
        writers = [pool.submit(append, bigquery_emulator[1], table, 60, start) for start in (0, 1_000_000)]
        try:
            for writer in writers:
                writer.result()
        finally:
            written.set()
        assert all(query.result() > 0 for query in queries)
    assert rows(client, f"SELECT COUNT(*), COUNT(DISTINCT id) FROM `{table}`") == [(60 * 2 * BATCH, 60 * 2 * BATCH)]


def test_erased_rows_leave_no_copy(client: bigquery.Client, bigquery_emulator: tuple[str, str]) -> None:
    """Time travel would keep a copy of the table from before the deletion."""
    table = new_table(client, "travel", "events")
    append(bigquery_emulator[1], table, 2, 0)
    count = f"SELECT COUNT(*) FROM `{table}` {{}} WHERE shopper = 's1'"
    before = rows(client, "SELECT CURRENT_TIMESTAMP()")[0][0]
    assert rows(client, count.format("")) != [(0,)]
    rows(client, f"DELETE FROM `{table}` WHERE shopper = 's1'")
    assert rows(client, count.format(f"FOR SYSTEM_TIME AS OF TIMESTAMP('{before}')")) == [(0,)]


def test_a_result_goes_when_hundreds_came_after_it_unless_it_is_still_read(client: bigquery.Client) -> None:
    """Results would be kept for as long as the emulator lives, and erased rows in them."""

    def ask(value: int) -> bigquery.QueryJob:
        job = client.query(f"SELECT {value}", retry=None, job_retry=None)
        job.result(retry=None)
        return job

    def kept(job: bigquery.QueryJob) -> bool:
        url = f"{client._connection.API_BASE_URL}/bigquery/v2/projects/{PROJECT}/queries/{job.job_id}"
        with httpx.Client() as http:
            return bool(http.get(url).json().get("rows"))

    forgotten, still_read = ask(1), ask(2)
    assert kept(forgotten)
    for number in range(300):
        ask(number)
        if number % 100 == 0:
            assert kept(still_read)
    assert kept(still_read)
    assert not kept(forgotten)


def test_geography_works_without_a_download(client: bigquery.Client) -> None:
    assert rows(client, "SELECT ST_X(ST_GEOGPOINT(2.35, 48.85))") == [(2.35,)]


def test_a_table_is_made_of_its_columns_and_a_query_in_brackets(client: bigquery.Client) -> None:
    """So writes dbt for every model that has a contract, and DuckDB's parser would refuse it."""
    client.create_dataset("contracts", exists_ok=True, retry=None)
    made = "(id INT64 NOT NULL, price FLOAT64)"
    for query in ("SELECT 1 AS id, 2 AS price", "SELECT 1 AS id, 2 AS price UNION ALL SELECT 3, 4"):
        rows(client, f"CREATE OR REPLACE TABLE `contracts.t` {made} PARTITION BY id AS ({query})")
        assert (1, 2.0) in rows(client, "SELECT id, price FROM `contracts.t`")
        types = {field.name: field.field_type for field in client.get_table("contracts.t", retry=None).schema}
        assert types == {"id": "INTEGER", "price": "FLOAT"}
