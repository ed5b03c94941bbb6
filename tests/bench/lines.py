"""Kept-alive HTTP/1.1 connections for an open loop: as many as are in flight, each used by one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from tests.bench.load import read_answer


class _Line(asyncio.Protocol):
    def __init__(self, lost: Callable[[_Line], None]) -> None:
        self._lost = lost
        self._held = b""
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._held += data
        status, whole = read_answer(self._held)
        if whole and self._answered is not None and not self._answered.done():
            body = self._held.partition(b"\r\n\r\n")[2]
            self._held = b""
            self._answered.set_result((status, body))

    def connection_lost(self, error: Exception | None) -> None:
        self._lost(self)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((0, b""))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Lines:
    """To one server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[_Line] = []
        self._open: set[_Line] = set()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; 0 where the connection broke."""
        line = self._free.pop() if self._free else await self._connect()
        answer = await line.ask(request)
        if line in self._open:
            self._free.append(line)
        return answer

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: _Line(self._lost), "127.0.0.1", self._port)
        self._open.add(line)
        return line

    def _lost(self, line: _Line) -> None:
        self._open.discard(line)
        if line in self._free:
            self._free.remove(line)

    def close(self) -> None:
        for line in list(self._open):
            line.close()
