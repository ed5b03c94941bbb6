"""What bounds a connection, whatever is asked on it, uvicorn having no bounds of its own.

They are on the head of a request, on the time that a client may take to send one, and on how many may wait behind each
other; and there is an end in order: what cannot be read closes its connection, after the answers to what came before
it, and is never read as another request. Parsing stays with llhttp (`httptools`), and so do its defences against
request smuggling.

Does not own what is answered, nor which requests take a shorter way (`express`).
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES = 32 * 1024
"""Of a request's target and headers together: twice what any browser sends with its cookies. How the network cut them
into pieces does not matter; while a head is not whole, twice as much is looked at."""

PIPELINED = 100
"""Requests that may wait behind one on a connection. A piece of 256 kB holds 14 000 of the smallest: 40 MB held."""

READ_S = 20.0
"""From a request's first byte, or a connection's opening, to the request's last byte. A client that sends a byte a
minute would otherwise hold its connection for ever. Twice the slowest honest phone: 64 KiB at 50 kbit/s take 10 s."""

GONE_S = 2.0
"""After a client closed its side of the connection: an answer that has begun by then and has no end is a stream to a
page that is gone. Nothing else tells of it before something was written twice: 30 s, of a stream that is silent."""

_SWEEP_S = 1.0


def _refusal(status: str, text: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n"
    return f"{head}connection: close\r\n\r\n{text}".encode()


_INVALID: Final = _refusal("400 Bad Request", "This is not HTTP as we can read it; nothing was taken.")
_TOO_SLOW: Final = _refusal("408 Request Timeout", "The request took too long to arrive; nothing was taken.")
_TOO_MANY: Final = _refusal("429 Too Many Requests", "Too many requests at once; this one was not taken.")
_UPGRADE: Final = _refusal("400 Bad Request", "Another protocol is not spoken here; nothing was taken.")
_TOO_LARGE: Final = _refusal("431 Request Header Fields Too Large", "The headers are too large; nothing was taken.")


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    _swept: ClassVar[dict[asyncio.AbstractEventLoop, set[BoundedHttp]]] = {}

    _reading_since: float | None = None
    _idle_since: float | None = None
    """Since an answer behind which no timer was set: the sweep is the clock."""
    _closed_since: float | None = None
    """Since the client closed its side."""

    _in_head = True
    _between = True
    """No request has begun that is not whole yet."""
    _begun_in_piece = 0
    _head_bytes = 0
    _piece_bytes = 0
    _reading: RequestResponseCycle | None = None
    """The request that has gone the ordinary way and is not whole yet."""

    _refused_as: bytes = _INVALID
    _last_words: bytes | None = None
    """What is said before the connection ends, after every answer that is still owed; nothing more is read."""

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reading_since = self.loop.time()
        swept = self._swept.get(self.loop)
        if swept is None:
            swept = self._swept[self.loop] = set()
            self.loop.call_later(_SWEEP_S, _sweep, self.loop, swept)
            self.first_connection()
        swept.add(self)

    def first_connection(self) -> None:
        """Called once, at the server's first connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._swept[self.loop].discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._last_words is not None:
            return
        between = self._between
        self._idle_since = None
        self._piece_bytes = len(data)
        self._begun_in_piece = 0
        super().data_received(data)
        if self._in_head:
            # Where a piece holds the end of something else too, its part in this head is not known, and not counted.
            if not self._begun_in_piece or (between and self._begun_in_piece == 1):
                self._head_bytes += len(data)
                if self._head_bytes > 2 * HEAD_BYTES:
                    self.end_with(_TOO_LARGE)
        elif self._reading_since is None and self.timeout_keep_alive_task is None and not self.owes_an_answer():
            # Line breaks between requests are no request, and have stopped uvicorn's keep-alive clock all the same.
            self._reading_since = self.loop.time()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's says None, for no
        """A client that closes its own side may still be reading: it gets its answers first, but for a stream."""
        self._closed_since = self.loop.time()
        self.end_with(b"")
        return True

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Uvicorn calls it for what llhttp cannot read, and for what a callback below raised."""
        self.end_with(self._refused_as)

    def owes_an_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def end_with(self, words: bytes) -> None:
        """Ends the connection: after what is read wrongly, nothing on it can be believed. Requests before it that still
        wait for their answers get those first.
        """
        if self._last_words is not None or self.transport.is_closing():
            return
        self._last_words = words
        self._reading_since = None
        broken = self._reading
        if broken is None:
            owed = self.owes_an_answer()
        elif self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
            owed = True
        else:
            owed = False
            if broken.response_complete:
                # Refused before its end, as too large: it has had its answer.
                self._last_words = b""
        if not owed:
            self._end()

    def _end(self) -> None:
        if not self.transport.is_closing():
            if self._last_words:
                self.transport.write(self._last_words)
            self.transport.close()

    def on_response_complete(self) -> None:
        if self._last_words is not None and not self.pipeline:
            self._end()
            return
        super().on_response_complete()
        if self.flow.write_paused:
            # Its answers pile up unread: it is heard again when it has listened.
            self.flow.pause_reading()

    def on_short_response(self) -> None:
        """As `on_response_complete`, with fewer steps: for a request that did not go the ordinary way."""
        if self.pipeline or self._last_words is not None or self.flow.write_paused or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        # Not uvicorn's timer: set and stopped for each request it costs about 1 us, and the sweep passes every second.
        self._idle_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.owes_an_answer():
            self.flow.resume_reading()

    def stalled(self, now: float) -> None:
        """Ends the connection of a client that is too slow, has idled for as long as it may, or left a stream."""
        if self._reading_since is not None and now - self._reading_since > READ_S:
            self.end_with(_TOO_SLOW)
        elif self._idled(now) or self._left_a_stream(now):
            self.transport.close()

    def _idled(self, now: float) -> bool:
        return self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive

    def _left_a_stream(self, now: float) -> bool:
        """Its answer has begun, goes on, and is not held up by whoever reads it."""
        if self._closed_since is None or now - self._closed_since <= GONE_S or not self.owes_an_answer():
            return False
        return getattr(self.cycle, "response_started", False) and not self.flow.write_paused

    # -- the request, as llhttp calls

    def on_message_begin(self) -> None:
        """Uvicorn makes its scope here; ours is made only when the ordinary way is taken."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._reading_since = self.loop.time()
        self._in_head = True
        self._between = False
        self._begun_in_piece += 1
        self._head_bytes = 0
        self._reading = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            # A trailer: uvicorn would take it for a header, or not, as the network happened to cut the pieces.
            return
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        # A head within one small piece is small; only others are measured.
        in_one_piece = self._begun_in_piece > 0 and self._piece_bytes <= HEAD_BYTES
        if not in_one_piece and self._size_of_head() > HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        if self.parser.should_upgrade():
            # httptools then takes the body for the other protocol, and what follows it for the next request.
            self._refuse(_UPGRADE)
        self.head_complete()

    def head_complete(self) -> None:
        """What a head is followed by that keeps within its bounds."""
        if len(self.pipeline) >= PIPELINED:
            self._refuse(_TOO_MANY)
        self.go_the_ordinary_way()

    def _size_of_head(self) -> int:
        """As it is usually written: each header with a colon, a space and a line break."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, answer: bytes) -> None:
        """Within a callback of the parser, which then stops."""
        self._refused_as = answer
        raise ValueError("refused")

    def go_the_ordinary_way(self) -> None:
        """Hands the head that was read to uvicorn, which begins its own request."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        self.headers = self.scope["headers"] = headers
        super().on_headers_complete()
        self._reading = self.cycle

    def request_complete(self) -> None:
        """All of it has come, whichever way it goes."""
        self._between = True
        self._reading_since = None

    def on_message_complete(self) -> None:
        self.request_complete()
        self._reading = None
        super().on_message_complete()


def _sweep(loop: asyncio.AbstractEventLoop, connections: set[BoundedHttp]) -> None:
    now = loop.time()
    for connection in tuple(connections):
        connection.stalled(now)
    loop.call_later(_SWEEP_S, _sweep, loop, connections)
