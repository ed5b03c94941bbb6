"""The express door: what it takes, what it leaves to the ordinary way, and how it ends a connection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from uvicorn_worker import UvicornWorker

from layers.shell import bounds, express
from layers.shell.express import ExpressDoor, Headers, Reply, Taker

BODY = b"0123456789"
KEEP_ALIVE_S = 30


class Wire:
    """What stands between the door and a client."""

    def __init__(self) -> None:
        self.sent, self.closed, self.paused = b"", False, False

    def write(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, _name: str, default: object = None) -> object:
        return default


class Counter:
    """Behind the door: takes what it is told to, and replies when it is told to."""

    most_body_bytes = 100

    def __init__(self) -> None:
        self.takes, self.replies = True, list[Reply]()
        self.taken: list[tuple[Headers, bytes]] = []
        self.warmed = 0

    async def warm(self) -> None:
        self.warmed += 1

    def taker(self, target: bytes) -> Taker | None:
        return self.take if target == b"/fast" else None

    def take(self, headers: Headers, body: bytes, reply: Reply) -> bool:
        if self.takes:
            self.taken.append((headers, body))
            self.replies.append(reply)
        return self.takes

    def reply(self) -> None:
        self.replies.pop(0)(b"HTTP/1.1 204 No Content\r\nx-way: express\r\n")


LEFT: list[str] = []
"""Streams that heard that their client is gone."""


async def ordinary(scope: Any, receive: Any, send: Any) -> None:
    """Answers with all that it was given, so that a test sees whether something is missing."""
    if scope["path"] == "/refused":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
        LEFT.append(scope["path"])
        return
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    text = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


class Visit:
    """One connection to a door of its own kind."""

    def __init__(self) -> None:
        self.counter, self.wire = Counter(), Wire()
        config = Config(app=ordinary, log_config=None, lifespan="off", timeout_keep_alive=KEEP_ALIVE_S)
        config.load()
        self.server = ServerState()
        self.server.default_headers = [(b"server", b"gondola")]
        kind = type("Door", (ExpressDoor,), {"express": self.counter, "_swept": {}})
        self.door = cast(ExpressDoor, kind(config, self.server, {}, asyncio.get_running_loop()))
        self.door.connection_made(cast(asyncio.Transport, self.wire))

    def send(self, data: bytes) -> None:
        self.door.data_received(data)

    async def answers(self) -> bytes:
        for _ in range(10):
            await asyncio.sleep(0)
        sent, self.wire.sent = self.wire.sent, b""
        return sent

    def leave(self) -> None:
        self.door.connection_lost(None)


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    visit = Visit()
    yield visit
    if visit.door.parser is not None:
        visit.leave()


def post(target: str = "/fast", *, body: bytes = BODY, head: str = "", version: str = "1.1") -> bytes:
    return f"POST {target} HTTP/{version}\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def statuses(answers: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPRESS = b"HTTP/1.1 204 No Content\r\nx-way: express\r\nserver: gondola\r\n\r\n"


async def test_an_ordinary_looking_request_is_taken_whole_and_answered_later(visit: Visit) -> None:
    visit.send(post(head="Origin: https://shop.example\r\n"))
    assert visit.counter.taken == [
        ({b"host": b"x", b"content-length": b"10", b"origin": b"https://shop.example"}, BODY)
    ]
    assert await visit.answers() == b""
    visit.counter.reply()
    assert await visit.answers() == EXPRESS
    assert not visit.wire.is_closing()
    assert visit.server.total_requests == 1


async def test_it_may_come_in_any_pieces(visit: Visit) -> None:
    for byte in post():
        visit.send(bytes([byte]))
    visit.counter.reply()
    assert await visit.answers() == EXPRESS


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /fast? "),
        (post("/slow?a=b%20c"), b"POST /slow?a=b%20c 0123456789"),
        (post("/fast?"), b"POST /fast? 0123456789"),
        (post(version="1.0"), b"POST /fast? 0123456789"),
        (post(head="X: 1\r\nX: 2\r\n"), b"POST /fast? 0123456789"),
        (post(body=b"x" * 101), b"POST /fast? " + b"x" * 101),
        (post(head="Expect: 100-continue\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
async def test_what_is_unusual_goes_the_ordinary_way(visit: Visit, request_bytes: bytes, answer: bytes) -> None:
    visit.send(request_bytes)
    assert answer in await visit.answers()
    assert visit.counter.taken == []


async def test_a_body_in_chunks_is_a_body(visit: Visit) -> None:
    visit.send(
        b"POST /fast HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"
    )
    assert [body for _, body in visit.counter.taken] == [BODY]


async def test_what_is_declined_goes_the_ordinary_way_with_nothing_missing(visit: Visit) -> None:
    visit.counter.takes = False
    visit.send(post())
    assert b"POST /fast? 0123456789" in await visit.answers()
    visit.counter.takes = True
    visit.send(post())
    visit.counter.reply()
    assert await visit.answers() == EXPRESS


async def test_pipelined_requests_are_answered_in_their_order(visit: Visit) -> None:
    visit.send(post() + post("/slow", body=b"second") + post(body=b"third"))
    assert len(visit.counter.taken) == 1
    assert await visit.answers() == b""
    visit.counter.reply()
    answers = await visit.answers()
    assert answers.startswith(EXPRESS)
    assert answers.index(b"POST /slow? second") < answers.index(b"POST /fast? third")


async def test_a_client_that_asks_for_it_or_a_server_that_stops_closes_after_the_answer(visit: Visit) -> None:
    visit.send(post(head="Connection: close\r\n"))
    visit.counter.reply()
    assert b"connection: close\r\n\r\n" in await visit.answers()
    assert visit.wire.is_closing()
    other = Visit()
    other.send(post())
    other.door.shutdown()
    assert not other.wire.is_closing()
    other.counter.reply()
    assert b"connection: close\r\n\r\n" in await other.answers()
    assert other.wire.is_closing()
    other.leave()


async def test_a_reply_to_a_client_that_left_is_dropped_and_none_is_given_twice(visit: Visit) -> None:
    visit.send(post())
    reply = visit.counter.replies[0]
    visit.counter.reply()
    reply(b"HTTP/1.1 500 Twice\r\n")
    assert await visit.answers() == EXPRESS
    visit.send(post())
    visit.leave()
    visit.counter.reply()
    assert await visit.answers() == b""


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\r\n\r\n",
        b"POST /fast HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /fast HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        # Whoever takes the body for the other protocol reads what is in it as the next request.
        post(body=post(), head="Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        b"CONNECT fast:443 HTTP/1.1\r\nHost: x\r\n\r\n" + post(),
    ],
)
async def test_what_is_no_http_ends_the_connection(visit: Visit, nonsense: bytes) -> None:
    visit.send(nonsense)
    assert (await visit.answers()).startswith(b"HTTP/1.1 400 ")
    assert visit.wire.is_closing()
    assert visit.counter.taken == []


async def test_nonsense_behind_requests_waits_for_their_answers(visit: Visit) -> None:
    """Uvicorn answers nonsense at once: its 400 was taken for the answer to the first of them."""
    visit.send(post() + post("/slow") + b"nonsense\r\n\r\n" + post())
    assert await visit.answers() == b""
    assert not visit.wire.is_closing()
    visit.counter.reply()
    assert statuses(await visit.answers()) == [204, 200, 400]
    assert visit.wire.is_closing()
    assert len(visit.counter.taken) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        (CHUNKED % b"/slow", b"zz\r\n"),
        (CHUNKED % b"/slow" + b"4\r\n0123\r\nzz\r\n",),
        (CHUNKED % b"/fast" + b"4\r\n0123\r\n", b"zz\r\n"),
    ],
)
async def test_a_body_that_breaks_off_in_nonsense_is_answered_and_nobody_waits_for_it(
    visit: Visit, pieces: tuple[bytes, ...]
) -> None:
    said = b""
    for piece in pieces:
        visit.send(piece)
        said += await visit.answers()
    assert statuses(said) == [400]
    assert visit.wire.is_closing()
    visit.leave()
    await visit.answers()
    assert not visit.server.tasks
    assert visit.counter.taken == []


async def test_a_queued_request_whose_body_breaks_off_is_never_begun(visit: Visit) -> None:
    visit.send(post() + CHUNKED % b"/slow" + b"zz\r\n")
    visit.counter.reply()
    assert statuses(await visit.answers()) == [204, 400]
    assert visit.wire.is_closing()


async def test_a_client_that_only_closes_its_own_side_gets_its_answers(visit: Visit) -> None:
    visit.send(post() + post("/slow") + post()[:-1])
    assert visit.door.eof_received()
    visit.counter.reply()
    assert statuses(await visit.answers()) == [204, 200]
    assert visit.wire.is_closing()


@pytest.mark.parametrize("target", ["/fast", "/slow"])
async def test_a_client_that_leaves_within_a_request_is_told_nothing(visit: Visit, target: str) -> None:
    visit.send(post(target)[:-1])
    assert visit.door.eof_received()
    assert await visit.answers() == b""
    assert visit.wire.is_closing()


async def test_a_reply_to_the_first_of_two_requests_of_a_client_that_left_is_dropped(visit: Visit) -> None:
    visit.send(post() + post("/slow"))
    visit.wire.close()
    visit.leave()
    visit.counter.reply()
    assert await visit.answers() == b""


@pytest.mark.parametrize("cut", [0, 2], ids=["one piece", "two"])
async def test_a_trailer_is_no_header(visit: Visit, cut: int) -> None:
    head, rest = CHUNKED % b"/fast", b"a\r\n0123456789\r\n0\r\nOrigin: https://evil.example\r\n\r\n"
    visit.send(head + rest[:cut])
    visit.send(rest[cut:])
    assert visit.counter.taken == [({b"host": b"x", b"transfer-encoding": b"chunked"}, BODY)]


async def test_as_many_requests_as_one_should_send_at_once_and_no_more(visit: Visit) -> None:
    visit.send(post() + post("/slow") * (bounds.PIPELINED + 5))
    visit.counter.reply()
    found: list[int] = []
    while len(found) < bounds.PIPELINED + 2:
        found += statuses(await visit.answers())
    assert found == [204] + [200] * bounds.PIPELINED + [429]
    assert visit.wire.is_closing()


async def test_whoever_does_not_read_is_not_read(visit: Visit) -> None:
    visit.send(post())
    visit.door.pause_writing()
    visit.counter.reply()
    assert visit.wire.paused
    visit.door.resume_writing()
    assert not visit.wire.paused


async def test_line_breaks_do_not_keep_a_connection(visit: Visit) -> None:
    visit.send(post())
    visit.counter.reply()
    visit.send(b"\r\n")
    visit.door.stalled(asyncio.get_running_loop().time() + bounds.READ_S + 1)
    assert visit.wire.is_closing()


async def test_who_was_refused_before_the_end_of_the_body_is_not_answered_twice(visit: Visit) -> None:
    visit.send(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n" + BODY)
    assert statuses(await visit.answers()) == [413]
    visit.door.stalled(asyncio.get_running_loop().time() + bounds.READ_S + 1)
    assert await visit.answers() == b""
    assert visit.wire.is_closing()


async def test_a_closed_lane_keeps_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UvicornWorker, "CONFIG_KWARGS", {})
    counter = Counter()
    express.open_express(counter, {express.SWITCH: "off"}.get)
    door = UvicornWorker.CONFIG_KWARGS["http"]
    assert issubclass(door, ExpressDoor)
    assert door.express.taker("/fast") is None
    await door.express.warm()
    assert counter.warmed == 1


async def test_a_function_says_which_method_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UvicornWorker, "CONFIG_KWARGS", {})
    express.open_express(Counter(), {express.SWITCH: "on"}.get, method=b"GET")
    visit = Visit()
    monkeypatch.setattr(type(visit.door), "method", UvicornWorker.CONFIG_KWARGS["http"].method)
    visit.send(b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [taken for _, taken in visit.counter.taken] == [b""]
    visit.counter.replies.pop()(b"HTTP/1.1 204 No Content\r\n")
    visit.send(post())
    assert b"POST /fast? 0123456789" in await visit.answers()
    assert len(visit.counter.taken) == 1
    visit.leave()


@pytest.mark.parametrize("pieces", [1, 8])
async def test_a_head_that_is_too_large_is_refused_in_one_piece_or_many(visit: Visit, pieces: int) -> None:
    request = post(head="".join(f"X-{n}: {'y' * 1000}\r\n" for n in range(70)))
    assert len(request) > 2 * bounds.HEAD_BYTES
    size = len(request) // pieces + 1
    for start in range(0, len(request), size):
        if not visit.wire.is_closing():
            visit.send(request[start : start + size])
    assert (await visit.answers()).startswith(b"HTTP/1.1 431 ")
    assert visit.wire.is_closing()
    assert visit.counter.taken == []


@pytest.mark.parametrize("cut", [1, 1000, 34_000])
async def test_a_head_is_as_large_however_it_was_cut(visit: Visit, cut: int) -> None:
    for more, status in ((bounds.HEAD_BYTES - 200, 200), (bounds.HEAD_BYTES, 431)):
        request = post("/slow", head=f"X: {'y' * more}\r\n")
        visit.send(request[:cut])
        visit.send(request[cut:])
        assert statuses(await visit.answers()) == [status]


async def test_a_head_without_end_is_refused_in_one_piece(visit: Visit) -> None:
    visit.send(post("/slow"))
    visit.send(b"POST /slow HTTP/1.1\r\nX: " + b"y" * 3 * bounds.HEAD_BYTES)
    assert statuses(await visit.answers()) == [200, 431]


async def test_a_large_body_is_no_large_head(visit: Visit) -> None:
    second = post("/slow", body=b"y" * 60_000)
    visit.send(post("/slow", body=b"x" * 70_000) + second[:20])
    visit.send(second[20:])
    assert statuses(await visit.answers()) == [200, 200]


async def test_a_client_that_stalls_is_told_and_left(visit: Visit) -> None:
    now = asyncio.get_running_loop().time()
    visit.send(post()[:-1])
    visit.door.stalled(now + bounds.READ_S - 1)
    assert not visit.wire.is_closing()
    visit.door.stalled(now + bounds.READ_S + 1)
    assert (await visit.answers()).startswith(b"HTTP/1.1 408 ")
    assert visit.wire.is_closing()


async def test_a_stream_to_a_client_that_closed_its_side_ends_and_one_that_is_still_read_does_not(visit: Visit) -> None:
    LEFT.clear()
    visit.send(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"first" in await visit.answers()
    now = asyncio.get_running_loop().time()
    visit.door.stalled(now + 10 * bounds.READ_S)
    assert not visit.wire.closed, "silent, and heard by its page"
    visit.door.eof_received()
    for later, paused, closed in ((0.5, False, False), (9.0, True, False), (9.0, False, True)):
        visit.door.flow.write_paused = paused
        visit.door.stalled(now + later * bounds.GONE_S)
        assert visit.wire.closed is closed
    visit.leave()
    await visit.answers()
    assert LEFT == ["/stream"]


async def test_a_client_that_says_nothing_at_all_is_left(visit: Visit) -> None:
    visit.door.stalled(asyncio.get_running_loop().time() + bounds.READ_S + 1)
    assert visit.wire.is_closing()


async def test_whoever_waits_for_an_answer_or_idles_after_one_does_not_stall(visit: Visit) -> None:
    now = asyncio.get_running_loop().time()
    visit.send(post())
    visit.door.stalled(now + 1000)
    visit.counter.reply()
    visit.door.stalled(now + KEEP_ALIVE_S - 1)
    assert not visit.wire.is_closing()


@pytest.mark.parametrize("target", ["/fast", "/slow"])
async def test_a_connection_idles_for_as_long_as_it_may_after_its_last_answer(visit: Visit, target: str) -> None:
    for _ in range(2):
        visit.send(post(target))
        if target == "/fast":
            visit.counter.reply()
        assert len(statuses(await visit.answers())) == 1
    # Uvicorn's own timer is behind the ordinary way; the sweep is behind the other.
    timer = visit.door.timeout_keep_alive_task
    assert (timer is None) == (target == "/fast")
    visit.door.stalled(asyncio.get_running_loop().time() + KEEP_ALIVE_S + 1)
    assert visit.wire.is_closing() == (timer is None)


async def test_a_new_request_ends_the_idling(visit: Visit) -> None:
    late = asyncio.get_running_loop().time() + KEEP_ALIVE_S + 1
    visit.send(post())
    visit.counter.reply()
    visit.send(post())
    visit.door.stalled(late)
    assert not visit.wire.is_closing()
    visit.counter.reply()
    visit.send(post("/slow"))
    assert statuses(await visit.answers()) == [204, 204, 200]
    visit.door.stalled(late)
    assert not visit.wire.is_closing()


async def test_the_first_connection_warms_the_process_once() -> None:
    visit = Visit()
    again = type(visit.door)(visit.door.config, visit.server, {}, asyncio.get_running_loop())
    again.connection_made(cast(asyncio.Transport, Wire()))
    await visit.answers()
    assert visit.counter.warmed == 1
    visit.leave()
    again.connection_lost(None)
