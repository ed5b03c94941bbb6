"""A page that stays open is told what changes, hears a heartbeat else, and is never left to a server that stops."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.experiences.express import PageExpress
from functions.experiences.function import PATH, STREAM_PATH
from functions.experiences.handler import answer, not_ready, shown
from functions.experiences.room import Room
from functions.experiences.streaming import (
    EVERY_S,
    HEARTBEAT_S,
    LASTS_S,
    LOOKS_FOR_EVENT,
    PATIENT,
    TOGETHER_S,
    Stream,
    Streams,
    until_next_look,
)
from layers.shell.lazily import Lazily
from layers.tree.live import FRESH_S, change
from layers.tree.programme import stop
from tests.handlers.asking import ask
from tests.handlers.test_experiences import ADD, MORE, ORIGIN, VIEW, Page
from tests.handlers.visiting import CUSTOMER, KEY, NOW, SHOPPER, seen


class Open(Page):
    """A page with a stream, whose seconds pass when the stream waits.

    Attributes:
        happens: what is done before a look, by the number of seconds since the stream began.
    """

    def __init__(self, most: int = 2) -> None:
        super().__init__()
        self.seconds = 0.0
        self.happens: dict[int, Callable[[], Any]] = {}
        self.streams = Streams(most, lambda: self.seconds, self._passes, lambda: NOW)

    async def _passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock += seconds
        done = self.happens.get(round(self.seconds))
        if done is not None:
            await done()

    @property
    def room(self) -> Room:
        return replace(super().room, streams=self.streams)

    async def stream(self, query: str = "", **headers: str) -> Any:
        sent = {"gondola-shopper": CUSTOMER, **headers}
        asked = ask("GET", STREAM_PATH, headers=sent, query=f"key={KEY}&{query}")
        return await answer(asked, self.room, NOW)

    async def heard(self, query: str = "") -> list[dict[str, Any]]:
        """The answers of a whole stream."""
        return [json.loads(part.split("data: ", 1)[1]) for part in await self.parts(query) if "data: " in part]

    async def parts(self, query: str = "") -> list[str]:
        response = await self.stream(query)
        assert isinstance(response, Stream), response.body
        return [part.decode() async for part in _content(response)]


async def _content(response: Stream) -> AsyncIterator[bytes]:
    async for part in response.body_iterator:
        assert isinstance(part, bytes)
        yield part


@pytest.fixture
async def page() -> Open:
    page = Open()
    await page.open()
    return page


async def test_a_stream_says_what_a_question_says_and_again_only_when_that_changed(page: Open) -> None:
    await page.store(VIEW, ADD)
    await page.push(VIEW, ADD)
    asked = await page.shown()

    async def more() -> None:
        await page.store(MORE)
        await page.push(MORE)

    page.happens[7] = more
    heard = await page.heard()
    assert heard[0] == asked and len(heard) == 2
    assert (heard[1]["node"], heard[1]["decision"]) == ("favourite_offer", MORE.event.id)
    assert page.seconds == LASTS_S, "it ends, and the page connects again"


async def test_an_idle_stream_reads_one_row_a_second_and_says_that_it_is_there(page: Open) -> None:
    await page.store(ADD)
    await page.push(ADD)
    page.reads.clear()
    parts = await page.parts()
    assert page.reads == ["row"] * int(LASTS_S)
    assert parts[0] == "retry: 2000\n\n"
    assert parts[1].startswith(f"event: experiences\nid: {ADD.event.id}\ndata: {{") and parts[1].endswith("}\n\n")
    assert parts[2:] == [":\n\n"] * (int(LASTS_S / HEARTBEAT_S) - 1)


@given(st.floats(0, 1e7))
def test_looks_fall_on_common_moments_and_are_never_more_than_a_second_apart(now: float) -> None:
    seconds = until_next_look(now)
    assert EVERY_S - TOGETHER_S - 1e-3 < seconds <= EVERY_S + 1e-3
    assert (now + seconds) / TOGETHER_S == pytest.approx(round((now + seconds) / TOGETHER_S), abs=1e-3)


async def test_the_event_just_sent_is_counted_once_it_is_stored_and_not_looked_for_for_ever(page: Open) -> None:
    page.happens[3] = lambda: page.store(ADD)
    heard = await page.heard(f"after={ADD.event.id}")
    assert [one["after"] for one in heard] == [
        {"event": ADD.event.id, "counted": False},
        {"event": ADD.event.id, "counted": True},
    ]
    page.happens, page.seconds = {}, 0
    page.reads.clear()
    assert len(await page.heard("after=never-sent-1")) == 1
    assert page.reads.count("events") <= 2 * LOOKS_FOR_EVENT


async def test_a_withdrawal_an_erasure_and_a_stop_are_told_at_the_next_look(page: Open) -> None:
    await page.keep(ADD)
    await page.push(ADD)
    page.happens[2] = lambda: page.keep(seen("ConsentChanged", 5, purposes={"rewards": True}))
    page.happens[4] = lambda: page.keep(seen("ConsentChanged", 6))

    async def erase() -> None:
        page.suppressions.suppress("demo", SHOPPER, seen("PageViewed", 10).event.at)

    async def off() -> None:
        await change(page.documents, "demo", lambda programme: stop(programme, datetime.now(UTC), "tester"))
        page.clock += FRESH_S

    page.happens[6], page.happens[8] = erase, off
    told = [(one["reason"], one["decision"]) for one in await page.heard()]
    assert told == [
        (None, ADD.event.id),
        ("consent", None),
        (None, ADD.event.id),
        ("nothing_to_show", None),
        ("off", None),
    ]


@pytest.mark.parametrize("stays_down", [False, True])
async def test_a_page_keeps_what_it_shows_while_a_store_is_away_for_a_moment(page: Open, stays_down: bool) -> None:
    await page.store(ADD)
    await page.push(ADD)

    async def down() -> None:
        page.rows.down = page.counting_rows.down = True

    async def up() -> None:
        page.rows.down = page.counting_rows.down = False

    page.happens[3] = down
    if not stays_down:
        page.happens[3 + PATIENT - 1] = up
    told = [(one["default"], one["reason"]) for one in await page.heard()]
    assert told == [(False, None)] + [(True, "unavailable")] * stays_down


async def test_a_store_that_is_away_from_the_start_shows_the_default(page: Open) -> None:
    page.suppressions.down = True
    assert [one["reason"] for one in await page.heard()] == ["unavailable"]


async def test_an_instance_has_room_for_so_many_and_a_page_that_leaves_gives_its_place_back(page: Open) -> None:
    first, _ = await page.stream(), await page.stream()
    full = await page.stream(origin=ORIGIN)
    assert (full.status_code, full.headers["retry-after"]) == (503, "10")
    assert full.headers["access-control-allow-origin"] == ORIGIN
    sent: list[Any] = []

    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        await asyncio.sleep(0)

    await asyncio.wait_for(first({"type": "http", "method": "GET"}, gone, send), 5)
    assert page.streams.open == 1
    assert isinstance(await page.stream(), Stream)


async def test_a_stream_is_refused_as_a_question_is_and_cached_by_nobody(page: Open) -> None:
    assert (await page.stream("after=%3Cscript%3E")).status_code == 400
    response = await page.stream(origin=ORIGIN)
    assert response.media_type == "text/event-stream" and response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["access-control-allow-origin"] == ORIGIN
    refused = await answer(ask("GET", STREAM_PATH, headers={}, query=f"key={KEY}"), page.room, NOW)
    assert refused.status_code == 400
    assert (await answer(ask("POST", STREAM_PATH, query=f"key={KEY}"), page.room, NOW)).status_code == 405


async def test_streams_end_when_the_server_is_told_to_stop() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        streams = Streams()
        streams.end_at_sigterm()
        waiting = asyncio.create_task(streams.pause(3600))
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(waiting, 5)
        assert streams.ending and not streams.enter() and heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_stream_that_is_told_to_end_does(page: Open) -> None:
    async def end() -> None:
        page.streams.end()

    page.happens[2] = end
    await page.parts()
    assert page.seconds == 2


async def test_the_express_door_leaves_streams_alone(page: Open) -> None:
    async def made() -> Room:
        return page.room

    lazily = Lazily(made)
    await lazily()
    door = PageExpress(lazily, PATH, shown, not_ready)
    assert door.taker(f"{PATH}?key={KEY}".encode()) is not None
    assert door.taker(f"{STREAM_PATH}?key={KEY}".encode()) is None
