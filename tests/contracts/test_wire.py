"""Answers of Bigtable that its emulator never gives: in several pieces, broken off, about rows that were not sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from layers.stores.bigtable.messages import MutateRowsRequest, MutateRowsResponse
from layers.stores.bigtable.port import Unavailable
from layers.stores.bigtable.wire import BigtableWire, delete_row, set_cell

Answer = list[tuple[int, int]]
"""(index, code) of the rows in one piece of an answer."""

OK, REFUSED = 0, grpc.StatusCode.UNAVAILABLE.value[0]


class Scripted:
    """A Bigtable that answers MutateRows with `pieces`, then breaks off if it is `broken`."""

    def __init__(self) -> None:
        self.pieces: list[Answer] = []
        self.broken = False
        self.requests: list[Any] = []

    async def mutate_rows(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.requests.append(request)
        for piece in self.pieces:
            yield MutateRowsResponse(entries=[{"index": index, "status": {"code": code}} for index, code in piece])
        if self.broken:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")


@pytest.fixture
async def bigtable() -> AsyncIterator[tuple[Scripted, BigtableWire]]:
    scripted = Scripted()
    server = grpc.aio.server()
    method = grpc.unary_stream_rpc_method_handler(
        scripted.mutate_rows, MutateRowsRequest.FromString, MutateRowsResponse.SerializeToString
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.bigtable.v2.Bigtable", {"MutateRows": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield scripted, BigtableWire(channel, "t", "p")
    await server.stop(None)


Write = Callable[[BigtableWire], Awaitable[list[bool]]]


async def _cells(wire: BigtableWire) -> list[bool]:
    return await wire.set_cells(b"e", [(b"row-%d" % n, "family", n, b"value") for n in range(4)])


async def _mutations(wire: BigtableWire) -> list[bool]:
    return await wire.mutate([(b"row-%d" % n, [set_cell("family", b"e", n, b"value")]) for n in range(4)])


@pytest.fixture(params=[_cells, _mutations])
def write(request: pytest.FixtureRequest) -> Write:
    way: Write = request.param
    return way


async def test_an_answer_in_pieces_is_one_answer(bigtable: tuple[Scripted, BigtableWire], write: Write) -> None:
    scripted, wire = bigtable
    scripted.pieces = [[(3, OK), (0, OK)], [], [(2, REFUSED)], [(1, OK)]]
    assert await write(wire) == [True, True, False, True]


async def test_what_was_answered_before_the_stream_broke_is_durable(
    bigtable: tuple[Scripted, BigtableWire], write: Write
) -> None:
    scripted, wire = bigtable
    scripted.pieces, scripted.broken = [[(1, OK)], [(2, OK)]], True
    assert await write(wire) == [False, True, True, False]


async def test_a_stream_that_breaks_before_any_answer_is_unavailable(
    bigtable: tuple[Scripted, BigtableWire], write: Write
) -> None:
    scripted, wire = bigtable
    scripted.broken = True
    with pytest.raises(Unavailable, match="MutateRows: UNAVAILABLE"):
        await write(wire)


@pytest.mark.parametrize("index", [4, -1, 2**62])
async def test_an_index_of_no_row_of_ours_confirms_none(
    bigtable: tuple[Scripted, BigtableWire], write: Write, index: int
) -> None:
    scripted, wire = bigtable
    scripted.pieces = [[(index, OK), (1, OK)]]
    assert await write(wire) == [False, True, False, False]


async def test_a_row_that_no_answer_names_is_not_durable(bigtable: tuple[Scripted, BigtableWire], write: Write) -> None:
    assert await write(bigtable[1]) == [False] * 4


async def test_both_ways_of_writing_a_cell_send_the_same(bigtable: tuple[Scripted, BigtableWire]) -> None:
    scripted, wire = bigtable
    await _cells(wire)
    await _mutations(wire)
    assert scripted.requests[0] == scripted.requests[1]
    assert (scripted.requests[0].table_name, scripted.requests[0].app_profile_id) == ("t", "p")


async def test_no_row_is_no_call(bigtable: tuple[Scripted, BigtableWire]) -> None:
    scripted, wire = bigtable
    assert await wire.mutate([]) == await wire.set_cells(b"e", []) == []
    assert await wire.mutate([(b"k", [delete_row()])]) == [False]
    assert len(scripted.requests) == 1
