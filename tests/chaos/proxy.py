"""A gRPC server that hands every call on as bytes, except those which a fault strikes.

`python -m tests.chaos.proxy --port P --control C --upstream HOST:PORT`. It knows no service: unary and streaming calls
look the same on the wire, so all of them are carried as streams of bytes. Steered while it runs over the control port,
one JSON object a line (`steering` speaks it): `{"faults": […], "seed": 1}` lays these and takes the former away;
`{"listen": false}` closes the port, as a server that was stopped, and `true` opens it again. Every line is answered
with what was seen so far.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import msgspec

from tests.chaos.faults import (
    AnswerLost,
    AnswersLate,
    BrokenOff,
    Chooser,
    Fault,
    Late,
    Refused,
    RowsRefused,
    Silent,
    Split,
    joined,
    part,
    pieces,
    rows_of,
)

HOST = "127.0.0.1"
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Our clients ask every 30 s whether the connection lives. Google's servers allow it; gRPC's default would hang up.
    ("grpc.http2.min_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
)
_DROPPED_METADATA = ("user-agent", "grpc-", ":", "content-type", "te")


class Seen(msgspec.Struct):
    """Attributes:
    calls, struck: by the last part of the method's name. failed: what the server itself refused, by its status.
    mixed: MutateRows calls in which some rows were refused and others were not.
    """

    calls: dict[str, int] = {}
    struck: dict[str, int] = {}
    failed: dict[str, int] = {}
    mixed: int = 0


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the control port; a member that is not there changes nothing."""

    faults: list[Fault] | None = None
    seed: int = 0
    listen: bool | None = None


class Relay(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method there is, carried to one server."""

    def __init__(self, upstream: str) -> None:
        self._channel = grpc.aio.insecure_channel(upstream, options=_OPTIONS)
        self.chooser = Chooser()
        self.seen = Seen()

    def service(self, details: Any) -> Any:
        async def carry(requests: AsyncIterator[bytes], context: Any) -> None:
            await self._carry(details.method, requests, context)

        return grpc.stream_stream_rpc_method_handler(carry)

    async def _carry(self, method: str, requests: AsyncIterator[bytes], context: Any) -> None:
        name = method.rpartition("/")[2]
        fault = self.chooser.strike(name)
        self.seen.calls[name] = self.seen.calls.get(name, 0) + 1
        if fault is not None:
            self.seen.struck[name] = self.seen.struck.get(name, 0) + 1
        try:
            match fault:
                case None:
                    await self._pass(method, requests, context)
                case Refused():
                    await context.abort(grpc.StatusCode[fault.status], "refused by the proxy")
                case Silent():
                    # Until the caller's deadline, which cancels this: to return would be an answer.
                    await asyncio.Event().wait()
                case Late():
                    await self._pass(method, self._delayed(requests, fault.ms), context)
                case AnswersLate():
                    await self._pass(method, requests, context, fault.ms)
                case AnswerLost():
                    await self._all(method, requests, context)
                    await context.abort(grpc.StatusCode[fault.status], "the answer was lost by the proxy")
                case RowsRefused():
                    await self._refuse_rows(method, requests, context, fault)
                case Split():
                    rows = rows_of(await self._all(method, requests, context))
                    for piece in pieces(rows[::-1], fault.entries):
                        await context.write(piece)
                        await asyncio.sleep(fault.pause_ms / 1000)
                case BrokenOff():
                    rows = rows_of(await self._all(method, requests, context))
                    for piece in pieces(rows[: fault.entries], fault.entries):
                        await context.write(piece)
                    await context.abort(grpc.StatusCode[fault.status], "broken off by the proxy")
        except grpc.aio.AioRpcError as error:
            status = f"{name} {error.code().name}"
            self.seen.failed[status] = self.seen.failed.get(status, 0) + 1
            await context.abort(error.code(), error.details() or "")

    async def _refuse_rows(self, method: str, requests: AsyncIterator[bytes], context: Any, fault: RowsRefused) -> None:
        request = await anext(requests)
        left, kept, refused = part(request, fault.marker)
        self.seen.mixed += bool(kept and refused)
        answers = [] if left is None else await self._all(method, _only(left), context)
        await context.write(joined(answers, kept, refused, fault.status))

    async def _pass(self, method: str, requests: AsyncIterator[bytes], context: Any, answers_late_ms: int = 0) -> None:
        async with self._upstream(method, requests, context) as call:
            async for answer in self._delayed(call, answers_late_ms):
                await context.write(answer)

    async def _all(self, method: str, requests: AsyncIterator[bytes], context: Any) -> list[bytes]:
        async with self._upstream(method, requests, context) as call:
            return [answer async for answer in call]

    async def _delayed(self, messages: AsyncIterator[bytes], ms: int) -> AsyncIterator[bytes]:
        laid = self.chooser
        async for message in messages:
            # A stream outlives the fault that struck it when it was opened.
            if ms and self.chooser is laid:
                await asyncio.sleep(ms / 1000)
            yield message

    @asynccontextmanager
    async def _upstream(self, method: str, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        """The same call to the server. It ends with the block, also when the caller is gone: each stream left open
        would hold one of BigQuery's emulator's few threads for ever."""
        metadata = [(k, v) for k, v in context.invocation_metadata() if not k.startswith(_DROPPED_METADATA)]
        call = self._channel.stream_stream(method)(requests, timeout=context.time_remaining(), metadata=metadata)
        try:
            yield call
        finally:
            call.cancel()


async def _only(request: bytes) -> AsyncIterator[bytes]:
    yield request


class Proxy:
    """The relay, its port, and who steers it."""

    def __init__(self, port: int, upstream: str) -> None:
        self._port, self._relay = port, Relay(upstream)
        self._server: Any = None

    async def listen(self, wanted: bool) -> None:
        if wanted and self._server is None:
            self._server = grpc.aio.server(options=_OPTIONS)
            self._server.add_generic_rpc_handlers((self._relay,))
            self._server.add_insecure_port(f"{HOST}:{self._port}")
            await self._server.start()
        elif not wanted and self._server is not None:
            server, self._server = self._server, None
            await server.stop(None)

    async def steered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            order = msgspec.json.decode(line, type=Order)
            if order.faults is not None:
                self._relay.chooser = Chooser(order.faults, order.seed)
            if order.listen is not None:
                await self.listen(order.listen)
            writer.write(msgspec.json.encode(self._relay.seen) + b"\n")
            await writer.drain()
        writer.close()


async def serve(port: int, control: int, upstream: str) -> None:
    proxy = Proxy(port, upstream)
    await proxy.listen(True)
    steering = await asyncio.start_server(proxy.steered, HOST, control)
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    await over.wait()
    steering.close()
    await proxy.listen(False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.proxy", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="where it listens for gRPC")
    parser.add_argument("--control", type=int, required=True, help="where it listens for orders, one JSON a line")
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT", help="the server it stands before")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, options.control, options.upstream))


if __name__ == "__main__":
    main()
