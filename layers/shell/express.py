"""The express door: a shorter way through uvicorn for the one request that comes thousands of times a second.

An ASGI server makes a scope, a task, an event and two messages for each request; for a request that costs 10 us to
decide, that is most of the bill. Behind this door a request that looks ordinary in every respect is handed over whole
(headers, body) to a plain function, which may take it and reply with bytes, at once or later, or decline it. What is
declined, or looks in any way unusual, goes the way it always went: `functions_framework`, Starlette, the handler. So
the handler alone decides what is right, and switching this door off changes nothing but the cost.

Parsing stays with llhttp (`httptools`), and so do its defences against request smuggling. What this door adds for every
connection, uvicorn having none: bounds on the head of a request, on the time that a client may take to send one, on how
many may wait behind each other; and an end in order: what cannot be read closes its connection, after the answers to
what came before it, and is never read as another request.

Does not own what is taken or answered (the function's `express.py`), nor any word of the ordinary way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn_worker import UvicornWorker

SWITCH = "GONDOLA_EXPRESS"
"""`off` in the environment closes the door: for a comparison, or for a night in which somebody doubts it."""

HEAD_BYTES = 32 * 1024
"""Of a request's target and headers together: twice what any browser sends with its cookies. How the network cut them
into pieces does not matter; while a head is not whole, twice as much is looked at."""

PIPELINED = 100
"""Requests that may wait behind one on a connection. A piece of 256 kB holds 14 000 of the smallest: 40 MB held."""

READ_S = 20.0
"""From a request's first byte, or a connection's opening, to the request's last byte. A client that sends a byte a
minute would otherwise hold its connection for ever. Twice the slowest honest phone: 64 KiB at 50 kbit/s take 10 s."""

KEEP_ALIVE_S = 620
"""A connection may idle longer than Google's front end keeps it (600 s). Were we first to close, a request that is on
its way at that moment would be lost to its sender. gunicorn's own 2 s is for a server that faces browsers."""

_SWEEP_S = 1.0

Headers = dict[bytes, bytes]
"""By lower-case name."""


def _refusal(status: str, text: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n"
    return f"{head}connection: close\r\n\r\n{text}".encode()


_INVALID: Final = _refusal("400 Bad Request", "This is not HTTP as we can read it; nothing was taken.")
_TOO_SLOW: Final = _refusal("408 Request Timeout", "The request took too long to arrive; nothing was taken.")
_TOO_MANY: Final = _refusal("429 Too Many Requests", "Too many requests at once; this one was not taken.")
_UPGRADE: Final = _refusal("400 Bad Request", "Another protocol is not spoken here; nothing was taken.")
_TOO_LARGE: Final = _refusal("431 Request Header Fields Too Large", "The headers are too large; nothing was taken.")


class Reply(Protocol):
    """Answers the request. Called once, from the loop, at any time."""

    def __call__(self, head: bytes, body: bytes = b"") -> None:
        """`head` is the status line and headers, each line with its end, without the empty line after them."""


class Taker(Protocol):
    """Takes a request or declines it. Must not block, raise, or reply to what it declines."""

    def __call__(self, headers: Headers, body: bytes, reply: Reply) -> bool: ...


class Express(Protocol):
    """What a function puts behind the door."""

    most_body_bytes: int

    async def warm(self) -> None:
        """Called once, at the server's first connection: in the cloud that is the startup probe's."""

    def taker(self, target: bytes) -> Taker | None:
        """For a request of exactly this target; None sends it the ordinary way before its body is read."""


class _Event:
    """Uvicorn wakes a waiting request with it; a request behind this door waits for nothing."""

    def set(self) -> None:
        return


_NO_EVENT = _Event()


class _Passage:
    """A request behind the door. Has what uvicorn's bookkeeping asks of its own `RequestResponseCycle`: pipelining,
    keep-alive and shutdown then work as they do for every other request.
    """

    __slots__ = ("disconnected", "door", "keep_alive", "response_complete")

    message_event = _NO_EVENT

    def __init__(self, door: ExpressDoor) -> None:
        self.door = door
        self.keep_alive = True
        self.response_complete = False
        self.disconnected = False

    def __call__(self, head: bytes, body: bytes = b"") -> None:
        # Uvicorn tells only the newest request of a connection that it is gone.
        if self.disconnected or self.response_complete or self.door.transport.is_closing():
            return
        self.response_complete = True
        door = self.door
        close = b"" if self.keep_alive else b"connection: close\r\n"
        door.transport.write(b"%b%b%b\r\n%b" % (head, door.default_headers(), close, body))
        if close:
            door.transport.close()
        door.passed()


class ExpressDoor(HttpToolsProtocol):
    """One connection."""

    express: Express
    method: bytes = b"POST"
    """Both of the process; set by `open_express` on a subclass."""

    _swept: ClassVar[dict[asyncio.AbstractEventLoop, set[ExpressDoor]]] = {}
    _default: ClassVar[tuple[object, bytes]] = (None, b"")

    _taker: Taker | None = None
    _reading_since: float | None = None
    _idle_since: float | None = None
    """Of a connection whose last request came in by this door, and is answered."""

    _in_head = True
    _between = True
    """No request has begun that is not whole yet."""
    _begun_in_piece = 0
    _head_bytes = 0
    _piece_bytes = 0
    _named: Headers
    _body: bytes = b""
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
            task = self.loop.create_task(self.express.warm())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        swept.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._swept[self.loop].discard(self)
        self._taker = None
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
                    self._end_with(_TOO_LARGE)
        elif self._reading_since is None and self.timeout_keep_alive_task is None and not self._owes_an_answer():
            # Line breaks between requests are no request, and have stopped uvicorn's keep-alive clock all the same.
            self._reading_since = self.loop.time()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn's says None, for no
        """A client that closes its own side may still be reading: it gets its answers first."""
        self._end_with(b"")
        return True

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Uvicorn calls it for what llhttp cannot read, and for what a callback below raised."""
        self._end_with(self._refused_as)

    def _owes_an_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_with(self, words: bytes) -> None:
        """Ends the connection: after what is read wrongly, nothing on it can be believed. Requests before it that still
        wait for their answers get those first.
        """
        if self._last_words is not None or self.transport.is_closing():
            return
        self._last_words = words
        self._taker = None
        self._reading_since = None
        broken = self._reading
        if broken is None:
            owed = self._owes_an_answer()
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

    def passed(self) -> None:
        """As `on_response_complete`, for a request that came in by this door."""
        if self.pipeline or self._last_words is not None or self.flow.write_paused or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        # Not uvicorn's timer: set and stopped for each request it costs about 1 us, and the sweep passes every second.
        self._idle_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._owes_an_answer():
            self.flow.resume_reading()

    def stalled(self, now: float) -> None:
        """Ends the connection of a client that is too slow, or has idled for as long as it may."""
        if self._reading_since is not None and now - self._reading_since > READ_S:
            self._end_with(_TOO_SLOW)
        elif self._idle_since is not None and now - self._idle_since > self.timeout_keep_alive:
            self.transport.close()

    def default_headers(self) -> bytes:
        """`date` and `server` as uvicorn sends them, joined once a second: it replaces the list then."""
        listed = self.server_state.default_headers
        if self._default[0] is not listed:
            ExpressDoor._default = (listed, b"".join(b"%b: %b\r\n" % header for header in listed))
        return self._default[1]

    # -- the request, as llhttp calls

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._reading_since = self.loop.time()
        self._in_head = True
        self._between = False
        self._begun_in_piece += 1
        self._head_bytes = 0
        self._body = b""
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
        self._named = dict(self.headers)
        if self._is_plain():
            self._taker = self.express.taker(self.url)
        if self._taker is None:
            if len(self.pipeline) >= PIPELINED:
                self._refuse(_TOO_MANY)
            self._go_the_ordinary_way()

    def _size_of_head(self) -> int:
        """As it is usually written: each header with a colon, a space and a line break."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, answer: bytes) -> None:
        """Within a callback of the parser, which then stops."""
        self._refused_as = answer
        raise ValueError("refused")

    def _is_plain(self) -> bool:
        """Whether nothing about the head needs more than the express way knows: a bare request of its method, no header
        of which stands twice, on a connection that owes no other answer.
        """
        return (
            (self.cycle is None or self.cycle.response_complete)
            and len(self._named) == len(self.headers)
            and b"expect" not in self._named
            and self.parser.get_method() == self.method
            and self.parser.get_http_version() == "1.1"
        )

    def on_body(self, body: bytes) -> None:
        if self._taker is None:
            super().on_body(body)
            return
        self._body = self._body + body if self._body else body
        if len(self._body) > self.express.most_body_bytes:
            self._decline()

    def on_message_complete(self) -> None:
        self._between = True
        self._reading_since = None
        taker = self._taker
        if taker is not None:
            self._taker = None
            passage = _Passage(self)
            passage.keep_alive = self.parser.should_keep_alive()
            before, self.cycle = self.cycle, cast(Any, passage)
            if taker(self._named, self._body, passage):
                # A connection may idle for ten minutes: not with its last body. And what the next request is read into
                # is then still in the processor's cache: 36 us an event instead of 37.5.
                self._body, self.headers, self._named = b"", [], {}
                return
            self.cycle = before
            self._decline()
        self._reading = None
        super().on_message_complete()

    def _decline(self) -> None:
        body, self._body, self._taker = self._body, b"", None
        self._go_the_ordinary_way()
        if body:
            super().on_body(body)

    def _go_the_ordinary_way(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        self.headers = self.scope["headers"] = headers
        super().on_headers_complete()
        self._reading = self.cycle


class _Declining:
    """Behind a door that is closed: each request goes the ordinary way, within the same bounds."""

    def __init__(self, express: Express) -> None:
        self.most_body_bytes, self.warm = express.most_body_bytes, express.warm

    def taker(self, target: bytes) -> Taker | None:  # noqa: ARG002 - whatever it is
        return None


def _sweep(loop: asyncio.AbstractEventLoop, doors: set[ExpressDoor]) -> None:
    now = loop.time()
    for door in tuple(doors):
        door.stalled(now)
    loop.call_later(_SWEEP_S, _sweep, loop, doors)


def open_express(
    express: Express, environment: Callable[[str], str | None] = os.environ.get, method: bytes = b"POST"
) -> None:
    """Has gunicorn's workers serve through this door. Called by a handler's module, before the server starts; a server
    that is no gunicorn (a test's) never learns of it.
    """
    behind = _Declining(express) if environment(SWITCH) == "off" else express
    door = type("OpenExpressDoor", (ExpressDoor,), {"express": behind, "method": method})
    UvicornWorker.CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "timeout_keep_alive": KEEP_ALIVE_S, "http": door}
