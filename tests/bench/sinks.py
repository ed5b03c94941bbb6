"""Null sinks: a Bigtable and a Pub/Sub that take everything, keep nothing and count, and a Firestore that is empty.

`python -m tests.bench.sinks PORT`. With them the handler's own cost shows. Requests and answers stay bytes; answers are
made once for each number of rows. Any table and any topic exist. Rows are counted by table, so that a table which
ingest writes beside `events` is not taken for events. Knows nothing of what a row holds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Any

import grpc
import grpc.aio
import uvloop
from google.cloud.bigtable_v2.types import bigtable
from google.pubsub_v1.types import pubsub

from tests.bench.protowalk import published_in, rows_of, spans

COUNTS = "/bench.Sinks/Counts"
_BIGTABLE, _PUBLISHER = "/google.bigtable.v2.Bigtable/", "/google.pubsub.v1.Publisher/"
_FIRESTORE = "/google.firestore.v1.Firestore/"
_OPTIONS = (("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.so_reuseport", 0))

_MutateRowsResponse: Any = bigtable.MutateRowsResponse.pb()
_PublishResponse: Any = pubsub.PublishResponse.pb()


@lru_cache(maxsize=4096)
def all_stored(rows: int) -> bytes:
    """The MutateRowsResponse in which each of so many rows is durable."""
    answer = _MutateRowsResponse()
    for index in range(rows):
        answer.entries.add(index=index).status.code = 0
    return bytes(answer.SerializeToString())


@lru_cache(maxsize=4096)
def all_published(messages: int) -> bytes:
    return bytes(_PublishResponse(message_ids=[f"{1_000_000 + n}" for n in range(messages)]).SerializeToString())


class Sinks(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Args:
    bigtable_s, pubsub_s: how long each call takes before its answer.
    """

    def __init__(self, bigtable_s: float, pubsub_s: float) -> None:
        self._bigtable_s, self._pubsub_s = bigtable_s, pubsub_s
        self._counted: Counter[str] = Counter()
        self._methods: dict[str, Any] = {
            _BIGTABLE + "MutateRows": grpc.unary_stream_rpc_method_handler(self._mutate_rows),
            _BIGTABLE + "MutateRow": grpc.unary_unary_rpc_method_handler(self._mutate_row),
            _BIGTABLE + "PingAndWarm": grpc.unary_unary_rpc_method_handler(self._nothing),
            _PUBLISHER + "Publish": grpc.unary_unary_rpc_method_handler(self._publish),
            _FIRESTORE + "RunQuery": grpc.unary_stream_rpc_method_handler(self._run_query),
            COUNTS: grpc.unary_unary_rpc_method_handler(self._counts),
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._methods.get(handler_call_details.method)

    async def _mutate_rows(self, request: bytes, _context: Any) -> AsyncIterator[bytes]:
        table, rows = rows_of(request)
        if self._bigtable_s:
            await asyncio.sleep(self._bigtable_s)
        self._counted[f"rows {table.rpartition('/')[2]}"] += rows
        self._counted["mutate calls"] += 1
        yield all_stored(rows)

    async def _mutate_row(self, request: bytes, _context: Any) -> bytes:
        table = next((request[start:end].decode() for number, start, end in spans(request) if number == 1), "")
        if self._bigtable_s:
            await asyncio.sleep(self._bigtable_s)
        self._counted[f"rows {table.rpartition('/')[2]}"] += 1
        self._counted["mutate calls"] += 1
        return b""

    async def _publish(self, request: bytes, _context: Any) -> bytes:
        messages, records = published_in(request)
        if self._pubsub_s:
            await asyncio.sleep(self._pubsub_s)
        self._counted["messages"] += messages
        self._counted["published"] += records
        self._counted["publish calls"] += 1
        return all_published(messages)

    async def _run_query(self, _request: bytes, _context: Any) -> AsyncIterator[bytes]:
        """Nobody is erased: an answer without a document."""
        yield b""

    async def _nothing(self, _request: bytes, _context: Any) -> bytes:
        return b""

    async def _counts(self, _request: bytes, _context: Any) -> bytes:
        return json.dumps(self._counted).encode()


async def serve(port: int, bigtable_s: float, pubsub_s: float) -> None:
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((Sinks(bigtable_s, pubsub_s),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


def counts(address: str) -> Counter[str]:
    """What the sinks at `host:port` have taken so far."""
    with grpc.insecure_channel(address) as channel:
        return Counter(json.loads(channel.unary_unary(COUNTS)(b"", timeout=10)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sinks", description="Null Bigtable and Pub/Sub.")
    parser.add_argument("port", type=int)
    parser.add_argument("--bigtable-ms", type=float, default=0.0)
    parser.add_argument("--pubsub-ms", type=float, default=0.0)
    given = parser.parse_args()
    run: Callable[[Any], None] = uvloop.run
    run(serve(given.port, given.bigtable_ms / 1000, given.pubsub_ms / 1000))


if __name__ == "__main__":
    main()
