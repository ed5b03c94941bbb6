"""The Storage Write API's answers that the emulator never gives, from a server of our own: a stream that ends, rows
refused by their place, a schema that lags behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import grpc.aio
import pyarrow as pa
import pytest
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

from layers.declarations.settings import Settings
from layers.facts import FACTS, ColumnType, Table
from layers.stores.bigquery.port import Columns, RowsRefused, Unavailable
from layers.stores.bigquery.writer import BigQueryFacts

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
STATUSES = next(table for table in FACTS if table.name == "order_statuses")
SEARCHES = next(table for table in FACTS if table.name == "searches")
INVALID, NOT_FOUND = 3, 5

Answer = Callable[[list[str]], Any]


class BigQuery:
    """Answers each append with what `answer` makes of its rows' ids; None ends the stream instead."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.taken: list[tuple[str, list[str]]] = []
        self.streams = 0

    def handler(self) -> Any:
        append = grpc.stream_stream_rpc_method_handler(
            self.append, AppendRowsRequest.pb().FromString, AppendRowsResponse.pb().SerializeToString
        )
        return grpc.method_handlers_generic_handler(
            "google.cloud.bigquery.storage.v1.BigQueryWrite", {"AppendRows": append}
        )

    async def append(self, requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
        self.streams += 1
        async for request in requests:
            rows = request.arrow_rows
            data = rows.writer_schema.serialized_schema + rows.rows.serialized_record_batch
            ids = pa.ipc.open_stream(data).read_all().column("event_id").to_pylist()
            response = self.answer(ids)
            if response is None:
                return
            if not response.HasField("error"):
                self.taken.append((request.write_stream.split("/")[5], ids))
            yield response


@asynccontextmanager
async def writing_to(bigquery: BigQuery) -> AsyncIterator[BigQueryFacts]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([bigquery.handler()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    facts = BigQueryFacts.of(Settings({"GONDOLA_PROJECT": "p", "BIGQUERY_STORAGE_EMULATOR_HOST": f"127.0.0.1:{port}"}))
    yield facts
    await facts.close()
    await server.stop(None)


def ok(_: list[str]) -> Any:
    return AppendRowsResponse.pb()(append_result={})


def refused(ids: list[str], bad: set[str], told: bool = True) -> Any:
    if not bad & set(ids):
        return ok(ids)
    response = AppendRowsResponse.pb()(error={"code": INVALID})
    if told:
        for index, id in enumerate(ids):
            if id in bad:
                response.row_errors.add(index=index, code=1, message="a value of the row")
    return response


def rows(*ids: str, table: Table = STATUSES) -> Columns:
    """Texts, and nothing where a table asks for no more."""
    columns: dict[str, list[Any]] = {
        c.name: ["x" if c.type is ColumnType.STRING else None] * len(ids) for c in table.columns
    }
    many = len(ids)
    columns |= {"event_id": list(ids), "position": [0] * many, "at": [AT] * many, "received": [AT] * many}
    return columns | ({"results": [1] * many} if table is SEARCHES else {})


async def test_calls_at_the_same_time_share_a_request_and_tables_share_a_stream() -> None:
    bigquery = BigQuery(ok)
    async with writing_to(bigquery) as facts:
        await asyncio.gather(
            *(facts.append("shop", STATUSES, rows(f"status-{n:03d}")) for n in range(50)),
            *(facts.append("shop", SEARCHES, rows(f"search-{n:03d}", table=SEARCHES)) for n in range(50)),
        )
    assert bigquery.streams == 1
    assert sorted((table, len(ids)) for table, ids in bigquery.taken) == [
        ("cooled_order_statuses", 50),
        ("cooled_searches", 50),
    ]


async def test_a_stream_that_ended_is_opened_again_and_nothing_is_lost() -> None:
    endings: Iterator[bool] = iter([False, True, False, False])
    bigquery = BigQuery(lambda ids: None if next(endings) else ok(ids))
    async with writing_to(bigquery) as facts:
        for id in ("event-one", "event-two", "event-three"):
            await facts.append("shop", STATUSES, rows(id))
    assert bigquery.streams == 2
    assert [ids for _, ids in bigquery.taken] == [["event-one"], ["event-two"], ["event-three"]]


async def test_a_stream_that_always_ends_is_unavailable() -> None:
    bigquery = BigQuery(lambda _: None)
    async with writing_to(bigquery) as facts:
        with pytest.raises(Unavailable):
            await facts.append("shop", STATUSES, rows("event-one"))
    assert bigquery.streams == 2


@pytest.mark.parametrize("told", [True, False])
async def test_refused_rows_are_named_to_their_own_caller_only(told: bool) -> None:
    bigquery = BigQuery(lambda ids: refused(ids, {"event-bad"}, told))
    async with writing_to(bigquery) as facts:
        results = await asyncio.gather(
            facts.append("shop", STATUSES, rows("event-one", "event-two")),
            facts.append("shop", STATUSES, rows("event-three", "event-bad")),
            facts.append("shop", STATUSES, rows("event-four")),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [type(None), RowsRefused, type(None)]
    assert isinstance(results[1], RowsRefused)
    assert results[1].rows == ((1,) if told else ())
    assert "a value of the row" not in str(results[1])
    assert sorted(id for _, ids in bigquery.taken for id in ids) == ["event-four", "event-one", "event-two"]


@pytest.mark.parametrize("schema_lags", [True, False])
async def test_what_a_deployment_mends_is_no_fault_of_the_rows(schema_lags: bool) -> None:
    response = AppendRowsResponse.pb()(error={"code": INVALID if schema_lags else NOT_FOUND})
    if schema_lags:
        response.error.details.add(type_url="type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError")
    async with writing_to(BigQuery(lambda _: response)) as facts:
        with pytest.raises(Unavailable):
            await facts.append("shop", STATUSES, rows("event-one"))
