"""The load: raw HTTP/1.1 connections that are kept alive, one request in flight on each.

A process of its own, on the core that the server does not have: one JSON order comes on its standard input, one JSON
report goes to its standard output. It shares that core with the sinks, so it does no more than it must: a request is a
template with its numbers filled in, an answer is looked at only for its status and its end. Warm-up and measure both
begin with nothing in flight and end when all is answered, so that cost and events belong to each other exactly.

- Closed loop: each connection sends its next request when it has the answer to the last. It shows cost and throughput.
- Open loop: requests are due at fixed times, whatever the server does, and each is measured from when it was due: a
  server that stalls is charged for all who wait.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import msgspec
import uvloop

from layers.retailers import Retailer
from tests.bench import cores
from tests.bench.payloads import MIX, SMALL_MIX, Template, templates
from tests.bench.percentiles import summary_ms

MIXES = {"about 1 KB": MIX, "small": SMALL_MIX}
_PATIENCE_S = 30.0
"""How long the last answers may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be sent.

    Attributes:
        retailer: its registry entry as JSON. prefix: of the event ids; no two loads may share it.
        per_s: requests a second of an open loop, None for a closed one. server: the process id at the root of the
            measured tree. backends: the same of what it writes to.
    """

    port: int
    retailer: str
    prefix: str
    events: int
    connections: int
    warm_up_s: float
    measure_s: float
    server: int
    backends: tuple[int, ...] = ()
    per_s: float | None = None
    mix: str = "about 1 KB"


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of it.

    Attributes:
        acknowledged: events answered with 2xx, from the first request after the warm-up to the last answer.
        seconds: from the one to the other. cpu_s: of the server's tree meanwhile. other_cpu_s: of load and backends.
        latency_ms: of the same requests.
        everything: events acknowledged, the warm-up's included. answers: of both by status; 0 for a connection that
            broke. body_bytes: of one request, on average.
    """

    acknowledged: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    other_cpu_s: float = 0.0
    everything: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    latency_ms: dict[str, float] = field(default_factory=dict)
    body_bytes: int = 0


class _Connection(asyncio.Protocol):
    """One connection; `idle` is called whenever it may send."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._due = 0.0
        self._events = 0
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._load.idle(self)

    def send(self, request: bytes, events: int, due: float) -> None:
        assert self._transport is not None
        self._events, self._due = events, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._pending:
            data = self._pending + data
        status, whole = read_answer(data)
        if not whole:
            self._pending = data
            return
        self._pending = b""
        events, self._events = self._events, 0
        self._load.answered(status, events, self._due)
        if b"onnection: close\r\n" in data:
            assert self._transport is not None
            self._transport.close()
        else:
            self._load.idle(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._events:
            self._events = 0
            self._load.answered(0, 0, self._due)
        self._load.lost(self)


def read_answer(data: bytes) -> tuple[int, bool]:
    """The status of an answer, and whether all of it is there."""
    if data[9:12] == b"204" and data.endswith(b"\r\n\r\n"):
        return 204, True
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0, False
    head = data[:end].lower()
    status = int(head[9:12])
    where = head.find(b"\r\ncontent-length:")
    if where >= 0:
        length = int(head[where + 17 :].split(b"\r\n", 1)[0])
        return status, len(data) >= end + 4 + length
    return status, status == 204 or data.endswith(b"0\r\n\r\n")


class _Load:
    def __init__(self, order: Order, ring: list[Template], loop: asyncio.AbstractEventLoop) -> None:
        self._order, self._ring, self._loop = order, ring, loop
        self._place = 0
        self._number = 0
        self._sends = False
        self._ends = False
        self._due: deque[float] = deque()
        self._free: list[_Connection] = []
        self._in_flight = 0
        self._latencies: list[float] = []
        self._opening: set[asyncio.Task[Any]] = set()
        self.answers: Counter[int] = Counter()
        self.everything = 0

    async def connect(self) -> None:
        await self._loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._order.port)

    # -- called by connections

    def idle(self, connection: _Connection) -> None:
        if self._due:
            self._send(connection, self._due.popleft())
        elif self._sends and self._order.per_s is None:
            self._send(connection, time.perf_counter())
        else:
            self._free.append(connection)

    def answered(self, status: int, events: int, due: float) -> None:
        self._in_flight -= 1
        self.answers[status] += 1
        if 200 <= status < 300:
            self.everything += events
        self._latencies.append(time.perf_counter() - due)

    def lost(self, connection: _Connection) -> None:
        if connection in self._free:
            self._free.remove(connection)
        if not self._ends:
            task = self._loop.create_task(self.connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _send(self, connection: _Connection, due: float) -> None:
        template = self._ring[self._place]
        self._place = (self._place + 1) % len(self._ring)
        request = template.filled(self._number)
        self._number += template.events
        self._in_flight += 1
        connection.send(request, template.events, due)

    # -- the two loops

    async def _for(self, seconds: float) -> None:
        """Sends for so long, and returns when all is answered."""
        if self._order.per_s is None:
            self._sends = True
            free, self._free = self._free, []
            for connection in free:
                self.idle(connection)
            await asyncio.sleep(seconds)
            self._sends = False
        else:
            await self._pace(self._order.per_s, seconds)
        end = time.perf_counter() + _PATIENCE_S
        while (self._in_flight or self._due) and time.perf_counter() < end:
            await asyncio.sleep(0.001)

    async def _pace(self, per_s: float, seconds: float) -> None:
        start = time.perf_counter()
        sent, most = 0, int(per_s * seconds)
        while sent < most:
            now = time.perf_counter()
            while sent < most and start + sent / per_s <= now:
                moment = start + sent / per_s
                sent += 1
                if self._free:
                    self._send(self._free.pop(), moment)
                else:
                    self._due.append(moment)
            await asyncio.sleep(0.001)

    async def run(self) -> Report:
        order = self._order
        await asyncio.gather(*(self.connect() for _ in range(order.connections)))
        await self._for(order.warm_up_s)
        self._latencies = []
        tree = cores.tree(order.server)
        others = [os.getpid(), *(pid for root in order.backends for pid in cores.tree(root))]
        before, began, used, other = self.everything, time.perf_counter(), cores.cpu_s(tree), cores.cpu_s(others)
        await self._for(order.measure_s)
        report = Report(
            acknowledged=self.everything - before,
            seconds=time.perf_counter() - began,
            cpu_s=cores.cpu_s(tree) - used,
            other_cpu_s=cores.cpu_s(others) - other,
            everything=self.everything,
            answers={str(status): count for status, count in sorted(self.answers.items())},
            latency_ms=summary_ms(self._latencies),
        )
        self._ends = True
        return report


async def carry_out(order: Order) -> Report:
    retailer = Retailer.parse(order.retailer, "the order")
    count = max(20, 2000 // order.events)
    ring = templates(retailer, order.port, order.events, count=count, prefix=order.prefix, mix=MIXES[order.mix])
    gc.collect()
    gc.freeze()
    report = await _Load(order, ring, asyncio.get_running_loop()).run()
    sizes = [len(template.filled(0).partition(b"\r\n\r\n")[2]) for template in ring]
    report.body_bytes = sum(sizes) // len(sizes)
    return report


def main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    run: Callable[[Any], Report] = uvloop.run
    json.dump(asdict(run(carry_out(order))), sys.stdout)


if __name__ == "__main__":
    main()
