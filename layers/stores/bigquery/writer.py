"""Facts appended through the Storage Write API: default stream, Arrow, one long-lived gRPC stream a dataset.

Appends of concurrent requests to one table travel together (group commit): a table has one request on its way at a
time, and what arrives meanwhile makes the next. So a quiet function answers at once and a busy one sends few, large
requests, which is what both BigQuery and its emulator are fast at.

One gRPC stream carries all tables of a dataset (the API allows to change the table from request to request on default
streams). The emulator needs that: each open stream holds one of its few threads until it ends.

Does not own: which rows an event makes (cooling), the tables (`layers.facts`), that a row counts once (their views).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import grpc
import grpc.aio
import pyarrow as pa
from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.facts import Table
from layers.stores.bigquery.arrow import record_batch, schema
from layers.stores.bigquery.port import Columns, RowsRefused, Unavailable
from layers.stores.channel import open_channel

_HOST = "bigquerystorage.googleapis.com"
_METHOD = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows"
_Request: Any = AppendRowsRequest.pb()
_Response: Any = AppendRowsResponse.pb()

LINGER_S = 0.005
"""How long the first append of a quiet table waits for company. Two pushes arrive together, hardly ever at once."""

MOST_ROWS = 10_000
"""Of one request: about 2 MB, well below the API's 10 MB."""

ANSWER_WITHIN_S = 30.0
"""Without an answer for so long the stream is given up; the rows may or may not be there, and views drop duplicates."""


class _Stream:
    """One AppendRows stream. The API answers in the order of the requests, so a queue of futures pairs them."""

    def __init__(self, channel: grpc.aio.Channel, first_stream: str) -> None:
        method = channel.stream_stream(
            _METHOD, request_serializer=_Request.SerializeToString, response_deserializer=_Response.FromString
        )
        self._call = method(metadata=(("x-goog-request-params", f"write_stream={first_stream}"),))
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._write = asyncio.Lock()
        self._reader = asyncio.create_task(self._read())
        self.broken = False

    async def send(self, request: Any) -> Any:
        """Raises:
        Unavailable: the stream broke; nobody knows whether the rows are there.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            async with self._write:
                if self.broken:
                    raise Unavailable("the append stream has ended")
                self._waiting.append(answer)
                await self._call.write(request)
            return await asyncio.wait_for(answer, ANSWER_WITHIN_S)
        except (grpc.RpcError, asyncio.InvalidStateError, TimeoutError) as error:
            self.close()
            # Nobody asks for it any more; an exception that it might still be given would be logged as never asked for.
            answer.cancel()
            raise Unavailable(f"the append stream broke ({type(error).__name__})") from None

    async def _read(self) -> None:
        reason = "ended"
        try:
            while (response := await self._call.read()) is not grpc.aio.EOF:
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(response)
            reason = (await self._call.code()).name
        except grpc.RpcError as error:
            reason = error.code().name
        finally:
            self.broken = True
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(Unavailable(f"the append stream ended ({reason})"))
            self._waiting.clear()

    def close(self) -> None:
        self.broken = True
        self._call.cancel()

    async def closed(self) -> None:
        self.close()
        await asyncio.gather(self._reader, return_exceptions=True)


class _Group:
    """What one request will carry: a batch and a future for each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, asyncio.Future[None]]] = []
        self.rows = 0


class BigQueryFacts:
    """Args:
    channel: to the Storage Write API; belongs to the running loop. project: that holds the datasets.
    """

    def __init__(self, channel: grpc.aio.Channel, project: str) -> None:
        self._channel = channel
        self._project = project
        self._streams: dict[str, _Stream] = {}
        self._waiting: dict[tuple[str, str], deque[_Group]] = {}
        self._senders: dict[tuple[str, str], asyncio.Task[None]] = {}

    @classmethod
    def of(cls, values: Settings) -> BigQueryFacts:
        """Made in the serving process's loop."""
        return cls(open_channel(_HOST, values.emulator("bigquery_storage")), values[settings.PROJECT])

    async def append(self, dataset: str, table: Table, columns: Columns) -> None:
        batch = record_batch(table, columns)
        if not batch.num_rows:
            return
        key = (dataset, table.stored_as)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        groups = self._waiting.setdefault(key, deque())
        if not groups or groups[-1].rows + batch.num_rows > MOST_ROWS:
            groups.append(_Group())
        groups[-1].calls.append((batch, done))
        groups[-1].rows += batch.num_rows
        if key not in self._senders:
            self._senders[key] = asyncio.create_task(self._send_groups(dataset, table, groups))
        await done

    async def _send_groups(self, dataset: str, table: Table, groups: deque[_Group]) -> None:
        try:
            await asyncio.sleep(LINGER_S)
            while groups:
                await self._commit(dataset, table, groups.popleft().calls)
        finally:
            # No await between the last look at `groups` and here: a call that comes later starts a new sender.
            del self._senders[dataset, table.stored_as]

    async def _commit(self, dataset: str, table: Table, calls: list[tuple[Any, asyncio.Future[None]]]) -> None:
        """Sends the calls' rows in one request; where it is refused, each call's alone, so that one caller's rows
        never cost another's."""
        error: Exception | None = None
        try:
            await self._send(dataset, table, [batch for batch, _ in calls])
        except RowsRefused as refused:
            if len(calls) > 1:
                for call in calls:
                    await self._commit(dataset, table, [call])
                return
            error = refused
        except Exception as failed:
            error = failed
        for _, done in calls:
            if not done.done():
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    async def _send(self, dataset: str, table: Table, batches: list[Any]) -> None:
        request = _Request(
            write_stream=f"projects/{self._project}/datasets/{dataset}/tables/{table.stored_as}/streams/_default"
        )
        rows = pa.concat_batches(batches) if len(batches) > 1 else batches[0]
        request.arrow_rows.writer_schema.serialized_schema = schema(table).serialize().to_pybytes()
        request.arrow_rows.rows.serialized_record_batch = rows.serialize().to_pybytes()
        try:
            response = await self._stream(dataset, request.write_stream).send(request)
        except Unavailable:
            # BigQuery ends a stream that was idle for 10 minutes: the next append finds it broken, and a new one works.
            response = await self._stream(dataset, request.write_stream).send(request)
        check(table, response)

    def _stream(self, dataset: str, write_stream: str) -> _Stream:
        stream = self._streams.get(dataset)
        if stream is None or stream.broken:
            stream = self._streams[dataset] = _Stream(self._channel, write_stream)
        return stream

    async def close(self) -> None:
        """Ends the streams; call it when no append is waiting."""
        for stream in self._streams.values():
            await stream.closed()
        await self._channel.close()


def check(table: Table, response: Any) -> None:
    """Reads BigQuery's answer to an append.

    Raises:
        RowsRefused: it names rows, or says that the request is invalid.
        Unavailable: anything else. A table that is missing or lacks a column counts as transient, since a deployment
            mends it and the rows must not be lost meanwhile.
    """
    if response.row_errors:
        raise RowsRefused(
            f"{table.name}: BigQuery refused rows; nothing of the call was written",
            rows=[error.index for error in response.row_errors],
        )
    if response.HasField("error"):
        # A StorageError in `details` says that the table's schema or the stream is not what we think.
        if response.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0] and not response.error.details:
            raise RowsRefused(f"{table.name}: BigQuery says that the rows are invalid; nothing of the call was written")
        raise Unavailable(f"{table.name}: BigQuery answered with code {response.error.code}")
