"""The express way of the experience API against the handler: the same answer, or none."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from functions.experiences.express import PageExpress, Shown
from functions.experiences.function import PATH
from functions.experiences.handler import answer, not_ready, shown
from functions.experiences.room import Room
from layers.shell.answers import head_of
from layers.shell.express import Headers
from layers.shell.lazily import Lazily
from tests.handlers.asking import ask
from tests.handlers.test_experiences import Page
from tests.handlers.visiting import CUSTOMER, KEY, NOW, seen

PAGE = "https://shop.example"
SHOPPER = {b"gondola-shopper": CUSTOMER.encode()}


class Both:
    """A page that may ask either way, a moment after what happened."""

    def __init__(self) -> None:
        self.page = Page()
        self.now = NOW + timedelta(minutes=1)
        self.shown: Shown = shown

    async def open(self) -> Both:
        await self.page.open()

        async def made() -> Room:
            return self.page.room

        self.express = PageExpress(Lazily(made), PATH, self.shown, not_ready, clock=lambda: self.now)
        await self.express.warm()
        return self

    async def by_express(self, target: str, headers: Headers, body: bytes = b"") -> tuple[bytes, bytes] | None:
        """None if it declines."""
        taker = self.express.taker(target.encode("latin-1"))
        replies: list[tuple[bytes, bytes]] = []
        if taker is None or not taker(headers, body, lambda head, body=b"": replies.append((head, body))):
            return None
        while not replies:
            await asyncio.sleep(0)
        return replies[0]

    async def by_handler(self, target: str, headers: Headers) -> tuple[bytes, bytes]:
        path, _, query = target.partition("?")
        sent = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
        response = await answer(ask("GET", path, headers=sent, query=query), self.page.room, self.now)
        return head_of(response), bytes(response.body)


@pytest.mark.parametrize("origin", [{}, {b"origin": PAGE.encode()}])
@pytest.mark.parametrize(
    "query", ["", "&after=event-2", "&after=event-unknown&session=visit-1", "&session=visit-2", "&x=y"]
)
async def test_what_it_takes_is_answered_as_the_handler_does(query: str, origin: Headers) -> None:
    both = await Both().open()
    records = [seen("PageViewed", 0, page="/"), seen("AddedToBasket", 1, product="p1", quantity=1, price=2.5)]
    await both.page.store(*records)
    await both.page.push(records[0])
    stored = {f"event-{number}": record.event.id for number, record in enumerate(records, start=1)}
    for name, id in stored.items():
        query = query.replace(name, id)
    target, headers = f"{PATH}?key={KEY}{query}", {**SHOPPER, **origin}
    found = await both.by_express(target, headers)
    assert found is not None
    assert found == await both.by_handler(target, headers)
    assert found[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"default":false' in found[1]


async def test_a_store_that_is_away_is_the_default_experience_here_too() -> None:
    both = await Both().open()
    both.page.rows.down = True
    found = await both.by_express(f"{PATH}?key={KEY}", SHOPPER)
    assert found is not None
    assert b'"reason":"unavailable"' in found[1]


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (f"{PATH}?key=nobody", SHOPPER),
        (f"{PATH}?session=s1", SHOPPER),
        (PATH, SHOPPER),
        (f"/v2/experiences?key={KEY}", SHOPPER),
        (f"{PATH}/?key={KEY}", SHOPPER),
        (f"{PATH}?key={KEY}&key={KEY}", SHOPPER),
        (f"{PATH}?key={KEY}&after=event-2&after=event-1", SHOPPER),
        (f"{PATH}?key={KEY}&after=event%2D2", SHOPPER),
        (f"{PATH}?key={KEY}&aft%65r=event-22", SHOPPER),
        (f"{PATH}?key={KEY}&after=event+2", SHOPPER),
        (f"{PATH}?key={KEY}&after=ü-event-2", SHOPPER),
        (f"{PATH}?key={KEY}&after=", SHOPPER),
        (f"{PATH}?key={KEY}&after", SHOPPER),
        (f"{PATH}?key={KEY}&", SHOPPER),
        (f"{PATH}?key={KEY}&after=no", SHOPPER),
        (f"{PATH}?key={KEY}&session=a:b", SHOPPER),
        (f"{PATH}?key={KEY}", {}),
        (f"{PATH}?key={KEY}", {b"gondola-shopper": b"a b"}),
        (f"{PATH}?key={KEY}", {b"gondola-shopper": b"\xff"}),
        (f"{PATH}?key={KEY}", {**SHOPPER, b"origin": b"https://elsewhere.example"}),
        (f"{PATH}?key={KEY}", {**SHOPPER, b"origin": b"\xff"}),
    ],
)
async def test_whatever_is_refused_or_unusual_is_the_handlers(target: str, headers: Headers) -> None:
    both = await Both().open()
    assert await both.by_express(target, headers) is None


async def test_a_question_with_a_body_is_the_handlers() -> None:
    both = await Both().open()
    assert await both.by_express(f"{PATH}?key={KEY}", SHOPPER, b"x") is None


async def test_before_the_room_is_made_the_handler_answers() -> None:
    async def down() -> Room:
        raise LookupError("a store is away")

    express = PageExpress(Lazily(down), PATH, shown, not_ready)
    await express.warm()
    assert express.taker(f"{PATH}?key={KEY}".encode()) is None


async def test_a_fault_is_told_and_nobody_waits_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    async def fails(*_: object) -> Response:
        raise LookupError("secret")

    both = Both()
    both.shown = fails
    await both.open()
    found = await both.by_express(f"{PATH}?key={KEY}", SHOPPER)
    assert found == (head_of(not_ready()), bytes(not_ready().body))
    assert "secret" not in capsys.readouterr().out


def test_two_pages_at_once_get_each_their_own() -> None:
    async def scene() -> None:
        both = await Both().open()
        asked = [both.by_express(f"{PATH}?key={KEY}&after=event-{n}", SHOPPER) for n in (11, 22)]
        first, second = await asyncio.gather(*asked)
        assert first is not None
        assert second is not None
        assert b"event-11" in first[1]
        assert b"event-22" in second[1]

    asyncio.run(scene())


words = st.text(st.sampled_from("ab-_.=&%+;#?/\u00fc 1"), max_size=12)


@given(words, st.sampled_from(["", "&after=", "&session=", "&key=", "?"]), st.booleans())
def test_what_it_takes_means_the_same_to_the_handler(word: str, name: str, key_first: bool) -> None:
    async def scene() -> None:
        both = await Both().open()
        target = f"{PATH}?key={KEY}{name}{word}" if key_first else f"{PATH}?{name[1:]}{word}&key={KEY}"
        found = await both.by_express(target, SHOPPER)
        assert found is None or found == await both.by_handler(target, SHOPPER)

    asyncio.run(scene())
