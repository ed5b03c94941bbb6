"""The express door: a shorter way through uvicorn for the one request that comes thousands of times a second.

An ASGI server makes a scope, a task, an event and two messages for each request; for a request that costs 10 us to
decide, that is most of the bill. Behind this door a request that looks ordinary in every respect is handed over whole
(headers, body) to a plain function, which may take it and reply with bytes, at once or later, or decline it. What is
declined, or looks in any way unusual, goes the way it always went: `functions_framework`, Starlette, the handler. So
the handler alone decides what is right, and switching this door off changes nothing but the cost.

Does not own what bounds a connection (`bounds`), what is taken or answered (the function's `express.py`), nor any word
of the ordinary way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

from uvicorn_worker import UvicornWorker

from layers.shell.bounds import BoundedHttp

SWITCH = "GONDOLA_EXPRESS"
"""`off` in the environment closes the door: for a comparison, or for a night in which somebody doubts it."""

KEEP_ALIVE_S = 620
"""A connection may idle longer than Google's front end keeps it (600 s). Were we first to close, a request that is on
its way at that moment would be lost to its sender. gunicorn's own 2 s is for a server that faces browsers."""

Headers = dict[bytes, bytes]
"""By lower-case name."""


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
        door.on_short_response()


class ExpressDoor(BoundedHttp):
    """One connection."""

    express: Express
    method: bytes = b"POST"
    """Both of the process; set by `open_express` on a subclass."""

    _default: ClassVar[tuple[object, bytes]] = (None, b"")

    _taker: Taker | None = None
    """Of the request that is being read, if it passes here."""
    _named: Headers
    _body: bytes = b""

    def first_connection(self) -> None:
        task = self.loop.create_task(self.express.warm())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        self._taker = None
        super().connection_lost(exc)

    def end_with(self, words: bytes) -> None:
        self._taker = None
        super().end_with(words)

    def default_headers(self) -> bytes:
        """`date` and `server` as uvicorn sends them, joined once a second: it replaces the list then."""
        listed = self.server_state.default_headers
        if self._default[0] is not listed:
            ExpressDoor._default = (listed, b"".join(b"%b: %b\r\n" % header for header in listed))
        return self._default[1]

    # -- the request, as llhttp calls

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body = b""

    def head_complete(self) -> None:
        self._named = dict(self.headers)
        if self._is_plain():
            self._taker = self.express.taker(self.url)
        if self._taker is None:
            super().head_complete()

    def _is_plain(self) -> bool:
        """Whether nothing about the head needs more than the express way knows: a bare request of its method, no header
        of which stands twice, on a connection that owes no other answer.
        """
        return (
            not self.owes_an_answer()
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
        taker, self._taker = self._taker, None
        if taker is None:
            super().on_message_complete()
            return
        passage = _Passage(self)
        passage.keep_alive = self.parser.should_keep_alive()
        before, self.cycle = self.cycle, cast(Any, passage)
        if taker(self._named, self._body, passage):
            self.request_complete()
            # A connection may idle for ten minutes: not with its last body. And what the next request is read into is
            # then still in the processor's cache: 36 us an event instead of 37.5.
            self._body, self.headers, self._named = b"", [], {}
            return
        self.cycle = before
        self._decline()
        super().on_message_complete()

    def _decline(self) -> None:
        body, self._body, self._taker = self._body, b"", None
        self.go_the_ordinary_way()
        if body:
            super().on_body(body)


class _Declining:
    """Behind a door that is closed: each request goes the ordinary way, within the same bounds."""

    def __init__(self, express: Express) -> None:
        self.most_body_bytes, self.warm = express.most_body_bytes, express.warm

    def taker(self, target: bytes) -> Taker | None:  # noqa: ARG002 - whatever it is
        return None


def open_express(
    express: Express, environment: Callable[[str], str | None] = os.environ.get, method: bytes = b"POST"
) -> None:
    """Has gunicorn's workers serve through this door. Called by a handler's module, before the server starts; a server
    that is no gunicorn (a test's) never learns of it.
    """
    behind = _Declining(express) if environment(SWITCH) == "off" else express
    door = type("OpenExpressDoor", (ExpressDoor,), {"express": behind, "method": method})
    UvicornWorker.CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "timeout_keep_alive": KEEP_ALIVE_S, "http": door}
