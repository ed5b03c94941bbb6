"""The demo's tracker against a server of our own on a real socket: what it sends, counts, repeats and reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from emulators.shop.connection import Connection, Disconnected
from emulators.shop.journey_data import LIVE_DAY
from emulators.shop.journey_files import read_orders
from emulators.shop.live_day import Played, play_all, recall_of, sight
from emulators.shop.sessions import live_day
from emulators.shop.tracker import Answer, Front, Shown, Tally, Tracker
from layers.events.model import ExperienceShown, PageViewed
from tests.rules.shop import ASSORTMENT

EVENT = PageViewed(id="event-0001", at=datetime(2026, 11, 20, tzinfo=UTC), page="/", kind="home")

ORDERS = [order for order in read_orders(LIVE_DAY, LIVE_DAY) if len(order.lines) <= 4][:12]

PRODUCTS = sorted({line.product for order in ORDERS for line in order.lines})[:8]

Request = tuple[str, str, dict[str, str], bytes]
Serve = Callable[[Request], bytes]


def reply(status: int, body: bytes = b"", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """Answers each request with the bytes that `serve` gives; none closes the connection instead."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if not (answer := serve((method, target, headers, body))):
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        await listening.wait_closed()


def shop(counted: bool = True, **more: object) -> tuple[Serve, list[Request]]:
    """Takes every event and answers every question; keeps what it was asked."""
    seen: list[Request] = []

    def serve(request: Request) -> bytes:
        seen.append(request)
        if request[0] == "POST":
            return reply(204)
        after = parse_qs(urlsplit(request[1]).query)["after"][0]
        answer = {"node": "arrival", "decision": after, "after": {"event": after, "counted": counted}, **more}
        return reply(200, json.dumps(answer).encode())

    return serve, seen


def front(address: str) -> Front:
    return Front(address, address, "write-key", "read-key", "https://shop.example", "token of {}".format)


async def test_an_event_is_sent_as_a_page_sends_it_and_the_answer_asked_for() -> None:
    serve, seen = shop()
    async with server(serve) as address:
        tally = Tally()
        tracker = Tracker(front(address), tally)
        answer = await tracker.step("900", "session-1", EVENT)
        tracker.close()
    (method, target, headers, body), (_, question, asked, _) = seen
    assert (method, target) == ("POST", "/v1/events?key=write-key")
    assert (headers["origin"], headers["content-type"]) == ("https://shop.example", "text/plain;charset=UTF-8")
    assert json.loads(body)["shopper"] == "900" and json.loads(body)["events"][0]["type"] == "PageViewed"
    assert question == "/v1/experiences?key=read-key&after=event-0001", "no customer id stands in an address"
    assert asked["gondola-shopper"] == "token of 900"
    assert answer is not None and answer.node == "arrival"
    assert (tally.sent, tally.acknowledged, tally.uncounted) == (["event-0001"], ["event-0001"], [])
    assert len(tally.latencies_ms) == 1


async def test_what_is_not_ready_is_asked_again_and_what_is_refused_is_not() -> None:
    answers = [reply(503), b"", reply(204), reply(403, b'{"type": "https://x/problems/origin-not-allowed"}')]
    async with server(lambda _: answers.pop(0)) as address:
        tally = Tally()
        tracker = Tracker(front(address), tally, pause_s=0.0)
        assert await tracker.send("900", "s", EVENT)
        assert not await tracker.send("900", "s", EVENT)
        tracker.close()
    assert tally.retries == 2
    assert tally.unexpected == {"POST /v1/events answered 403 origin-not-allowed": 1}


async def test_a_server_that_stays_away_is_given_up() -> None:
    async with server(lambda _: b"") as address:
        tally = Tally()
        tracker = Tracker(front(address), tally, pause_s=0.0)
        assert await tracker.step("900", "s", EVENT) is None
        tracker.close()
    assert tally.unexpected == {"POST /v1/events answered nothing": 1}
    assert tally.sent and not tally.acknowledged and not tally.latencies_ms


async def test_an_answer_that_does_not_count_the_event_is_noted() -> None:
    serve, _ = shop(counted=False)
    async with server(serve) as address:
        tally = Tally()
        tracker = Tracker(front(address), tally)
        await tracker.step("900", "s", EVENT)
        tracker.close()
    assert tally.uncounted == ["event-0001"]


async def test_a_default_for_want_of_stores_is_asked_about_again() -> None:
    answers = [b'{"default": true, "reason": "unavailable", "after": {"event": "event-0001", "counted": false}}']
    answers.append(b'{"node": "arrival", "after": {"event": "event-0001", "counted": true}}')
    async with server(lambda _: reply(200, answers.pop(0))) as address:
        tally = Tally()
        tracker = Tracker(front(address), tally)
        answer = await tracker.experience("900", "event-0001")
        tracker.close()
    assert answer is not None and answer.node == "arrival"
    assert (tally.retries, tally.uncounted) == (1, [])


async def test_a_connection_is_kept_and_opened_anew_after_it_was_closed() -> None:
    answers = [reply(200, b"a" * 100_000), reply(204), reply(200, b"b", "Connection: close\r\n"), reply(204)]
    async with server(lambda _: answers.pop(0)) as address:
        connection = Connection(address)
        assert len((await connection.request("GET", "/")).body) == 100_000
        assert (await connection.request("POST", "/", {}, b"x")).status == 204
        assert (await connection.request("GET", "/")).headers["connection"] == "close"
        assert (await connection.request("GET", "/")).status == 204
        connection.close()


async def test_what_is_no_http_fails_rather_than_waits() -> None:
    async with server(lambda _: b"this is no answer\r\n\r\n") as address:
        connection = Connection(address)
        with pytest.raises(Disconnected):
            await connection.request("GET", "/")
        connection.close()


async def test_a_day_is_played_whole_and_in_order_for_each_shopper() -> None:
    shoppers = live_day(ORDERS, ASSORTMENT)
    recommended = [{"kind": "recommendation", "slot": "main", "products": PRODUCTS}]
    serve, seen = shop(parameters_version="1", experiences=recommended)
    progress: list[int] = []
    async with server(serve) as address:
        played = await play_all(front(address), shoppers, progress.append, at_a_time=3)
    sent = [json.loads(body)["events"][0] for method, _, _, body in seen if method == "POST"]
    wanted = [event.id for visits in shoppers for session in visits for event in session.events]
    assert sorted(wanted) == sorted(event["id"] for event in sent if event["type"] != "ExperienceShown")
    assert set(played.tally.acknowledged) == {event["id"] for event in sent} == played.events.keys()
    assert played.answers.keys() == set(wanted)
    for visits in shoppers:
        mine = {event.id for session in visits for event in session.events}
        assert [event["id"] for event in sent if event["id"] in mine] == [
            event.id for session in visits for event in session.events
        ]
    assert progress == list(range(1, len(wanted) + 1))
    found = recall_of(shoppers, played, ["nobody buys this", *sorted(PRODUCTS)])
    bought = [{line.product for line in s.order.lines} for visits in shoppers for s in visits]
    assert found.value == pytest.approx(sum(len(b & set(PRODUCTS)) / len(b) for b in bought) / len(bought))
    assert found.popular == pytest.approx(found.value), "the same products, in whatever order, recall the same"
    assert (found.orders, found.without_parameters) == (len(bought), 0)


def test_what_comes_into_view_is_reported_just_after_its_event() -> None:
    answer = Answer(node="arrival", decision="event-0001", experiences=(Shown("promotion", product="2"),))
    seen = [sight(PageViewed(id=f"event-{n:04}", at=EVENT.at, page="/"), answer) for n in range(200)]
    reported = [one for one in seen if one is not None]
    assert 10 < len(reported) < 90
    first = reported[0]
    assert isinstance(first, ExperienceShown)
    assert (first.decision, first.kind, first.product, first.node) == ("event-0001", "promotion", "2", "arrival")
    assert first.at - EVENT.at == timedelta(milliseconds=1)
    assert all(sight(EVENT, Answer()) is None for _ in range(3)), "nothing is reported before anything is decided"


def test_an_order_without_parameters_is_no_part_of_recall() -> None:
    shoppers = live_day(ORDERS[:1], ASSORTMENT)
    played = Played()
    played.first[shoppers[0][0].order.id] = Answer(parameters_version="")
    found = recall_of(shoppers, played, [])
    assert (found.value, found.orders, found.without_parameters) == (None, 0, 1)
