"""Bytes to a door and back, over a socket of one's own: what no HTTP client would send, and every answer to it.

Reads answers strictly: one that is not framed as HTTP/1.1 says is an error of the door. Asserts nothing about time; a
door that never answers fails by `PATIENCE_S`.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60.0
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]+")
_HEADER = re.compile(rb"([a-z-]+): ([\x20-\x7e]*)")
PROBE = b"GET /is-anybody-there HTTP/1.1\r\nHost: door\r\n\r\n"
"""Answered 404. On a connection that stays open it shows that both sides agree where the last request ended."""


class NotHttp(AssertionError):
    """What the door sent cannot be read as answers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        document = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert document["status"] == self.status
        return dict(document)


def read_answers(data: bytes) -> list[Answer]:
    """All answers that the bytes hold.

    Raises:
        NotHttp: something stands before, between or after them, or the last is not whole.
    """
    found: list[Answer] = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(lines[0])
        headers = [_HEADER.fullmatch(line) for line in lines[1:]]
        if not separator or not status or not all(headers):
            raise NotHttp(f"no head of an answer: {head[:200]!r}")
        named = {match[1].decode(): match[2].decode() for match in headers if match}
        if len(named) != len(headers):
            raise NotHttp(f"a header twice: {head[:200]!r}")
        size = 0
        if int(status[1]) >= 200 and int(status[1]) != 204:
            size = int(named["content-length"])
        elif "content-length" in named:
            raise NotHttp(f"a length where there is no body: {head[:200]!r}")
        if len(rest) < size:
            raise NotHttp(f"an answer of {size} bytes that ends after {len(rest)}")
        found.append(Answer(int(status[1]), named, rest[:size]))
        data = rest[size:]
    return found


class Connection:
    """One connection to a door. Use it with `with`."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        # So that pieces stay pieces.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.closed = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, pieces: Sequence[bytes], pause_s: float = 0.0) -> None:
        """A door that has closed meanwhile is not heard of here, but when it is read from."""
        try:
            for number, piece in enumerate(pieces):
                if number and pause_s:
                    time.sleep(pause_s)
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return

    def finish(self) -> None:
        """Closes our side; the other may still be read."""
        with contextlib.suppress(OSError):  # the door was quicker
            self._socket.shutdown(socket.SHUT_WR)

    def read(self) -> bool:
        """Reads what is there, waiting for it; False when the door has closed."""
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.received += data
        self.closed = self.closed or not data
        return bool(data)

    def read_to_the_end(self) -> list[Answer]:
        while self.read():
            continue
        return read_answers(self.received)

    def read_until(self, count: int) -> list[Answer]:
        """Until there are so many answers, or the door closes."""
        while True:
            try:
                answers = read_answers(self.received)
            except NotHttp:
                # Perhaps not whole yet.
                if not self.read():
                    raise
                continue
            if len(answers) >= count or not self.read():
                return answers


def exchange(port: int, pieces: Sequence[bytes], pause_s: float = 0.0) -> list[Answer]:
    """Sends all, closes its own side, and reads to the end."""
    with Connection(port) as connection:
        connection.send(pieces, pause_s)
        connection.finish()
        return connection.read_to_the_end()
