"""The express way of the event API against the handler: the same rows, the same messages, the same answers."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest

from functions.ingest import handler
from functions.ingest.bringing import Bringing
from functions.ingest.commit import PENDING_BYTES, GroupCommit
from functions.ingest.express import EventExpress
from functions.ingest.room import Room
from functions.ingest.rules import Door
from layers.privacy.pseudonym import Pseudonymiser
from layers.retailers import Registry, Retailer
from layers.shell.answers import head_of
from layers.shell.express import Headers
from layers.shell.lazily import Lazily
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.suppressions import FakeSuppressions
from tests.handlers.asking import ask

EXAMPLES = json.loads((Path(__file__).parents[1] / "examples" / "events.json").read_text())
KEY = "write-key-of-demo"
PAGE = "https://shop.example"
DEMO = Retailer(id="demo", name="Demo", write_key=KEY, read_key="read-key-of-demo-1", origins=(PAGE,))
PSEUDONYM = Pseudonymiser("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Shop:
    """A room on fakes, and the express way into it."""

    pending_bytes: int = PENDING_BYTES
    retailer: Retailer = DEMO
    store: FakeHotEvents = field(default_factory=FakeHotEvents)
    journal: FakeArrivals = field(default_factory=FakeArrivals)
    topic: FakePublisher = field(default_factory=FakePublisher)
    suppressions: FakeSuppressions = field(default_factory=FakeSuppressions)
    former: Pseudonymiser | None = None

    async def open(self) -> Shop:
        rows = FakeShopperRows()
        commit = GroupCommit(self.store, self.journal, rows, self.topic, 0, self.pending_bytes)
        others = () if self.former is None else (self.former,)
        door = Door(self.retailer, PSEUDONYM, partial(self.suppressions.erased_at, "demo"), others, self.former)
        bringing, signing = Bringing(rows, commit, time.monotonic), {"demo": bytes(32)}
        self.room = Room(Registry([self.retailer]), {"demo": door}, signing, commit, self.suppressions, bringing)

        async def made() -> Room:
            return self.room

        self.express = EventExpress(
            Lazily(made), handler.PATH, handler.acknowledged, handler.not_durable, clock=lambda: NOW
        )
        await self.express.warm()
        return self

    async def post(self, body: bytes, headers: Headers) -> tuple[bytes, bytes] | None:
        """What the express way answers; None if it declines."""
        taker = self.express.taker(f"/v1/events?key={KEY}".encode())
        assert taker is not None
        replies: list[tuple[bytes, bytes]] = []
        if not taker(headers, body, lambda head, body=b"": replies.append((head, body))):
            return None
        while not replies:
            await asyncio.sleep(0)
        return replies[0]

    def kept(self) -> tuple[object, ...]:
        lines = sorted((row.key, row.family, row.at_ms) for row in self.store.rows.values())
        published = sorted(line for message in self.topic.messages for line in message.data.split(b"\n"))
        return lines, sorted(columns.keys() for columns in map(dict, self.journal.rows.values())), len(published)


def body(*events: object) -> bytes:
    return json.dumps({"shopper": "9250001234567", "session": "s1", "channel": "web", "events": events}).encode()


BEFORE, AFTER = "2026-11-22T11:00:00+00:00", "2026-11-22T11:00:00.001+00:00"
TEXT = {b"content-type": b"text/plain;charset=UTF-8", b"origin": PAGE.encode()}


@pytest.mark.parametrize("headers", [TEXT, {b"content-type": b"application/json"}])
@pytest.mark.parametrize("down", [False, True])
async def test_it_answers_and_keeps_as_the_handler_does(headers: Headers, down: bool) -> None:
    fast, slow = await Shop().open(), await Shop().open()
    fast.store.down = slow.store.down = down
    sent = body(*EXAMPLES["valid"])
    answer = await fast.post(sent, headers)
    assert answer is not None
    texts = {name.decode(): value.decode() for name, value in headers.items()}
    expected = await handler.answer(ask("POST", handler.PATH, sent, texts, f"key={KEY}"), slow.room, NOW)
    assert expected.status_code == (503 if down else 204)
    assert sorted(answer[0].split(b"\r\n")) == sorted(head_of(expected).split(b"\r\n"))
    assert answer[1] == bytes(expected.body)
    assert fast.kept() == slow.kept()
    assert bool(fast.store.rows) is not down


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (b"{", TEXT),
        (b"[]", TEXT),
        (body(), TEXT),
        (body(EXAMPLES["valid"][0], EXAMPLES["refused"][0]["event"]), TEXT),
        (body(EXAMPLES["refused"][0]["event"]), TEXT),
        (body(EXAMPLES["valid"][0]), {**TEXT, b"origin": b"https://evil.example"}),
        (body(EXAMPLES["valid"][0]), {**TEXT, b"origin": b""}),
        (body(EXAMPLES["valid"][0]), {**TEXT, b"content-type": b"application/xml"}),
        (body(EXAMPLES["valid"][0]), {b"origin": PAGE.encode()}),
        (body(EXAMPLES["valid"][0]), {**TEXT, b"content-encoding": b"gzip"}),
        (body(EXAMPLES["valid"][0]), {**TEXT, b"webhook-signature": b"v1,x"}),
    ],
)
async def test_what_needs_a_word_is_left_to_the_handler_untouched(sent: bytes, headers: Headers) -> None:
    shop = await Shop().open()
    assert await shop.post(sent, headers) is None
    await asyncio.sleep(0)
    assert shop.kept() == ([], [], 0)


async def test_beyond_what_memory_should_hold_the_handler_says_so() -> None:
    shop = await Shop(pending_bytes=10).open()
    assert await shop.post(body(*EXAMPLES["valid"]), TEXT) is None


async def test_beyond_its_allowance_the_handler_says_so() -> None:
    shop = await Shop(retailer=msgspec.structs.replace(DEMO, events_per_second=1)).open()
    sent = body(*EXAMPLES["valid"])
    assert await shop.post(sent, TEXT) is not None
    assert await shop.post(sent, TEXT) is None
    texts = {name.decode(): value.decode() for name, value in TEXT.items()}
    refused = await handler.answer(ask("POST", handler.PATH, sent, texts, f"key={KEY}"), shop.room, NOW)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= len(EXAMPLES["valid"])
    assert refused.headers["access-control-allow-origin"] == PAGE
    assert len(shop.store.rows) == len(EXAMPLES["valid"])


async def test_other_targets_are_not_its_business_nor_any_before_the_room_is_made() -> None:
    shop = await Shop().open()
    for target in (b"/v1/events", b"/v1/events?key=", b"/v1/events?key=another-known-key1", b"/v1/events?a=b&key=x"):
        assert shop.express.taker(target) is None

    async def never() -> Room:
        raise LookupError("no store today")

    closed = EventExpress(Lazily(never), handler.PATH, handler.acknowledged, handler.not_durable)
    await closed.warm()
    assert closed.taker(f"/v1/events?key={KEY}".encode()) is None


async def test_it_leaves_the_erased_and_the_unknown_to_the_handler() -> None:
    shop = await Shop().open()
    kind = {b"content-type": b"text/plain"}
    page = {"type": "PageViewed", "page": "/"}
    old, new = {**page, "id": "event-0001", "at": BEFORE}, {**page, "id": "event-0002", "at": AFTER}
    shop.suppressions.suppress("demo", PSEUDONYM("9250001234567"), datetime.fromisoformat(BEFORE))
    assert await shop.post(body(old), kind) is None
    assert await shop.post(body(new, old), kind) is None
    assert not shop.store.rows
    assert await shop.post(body(new), kind) is not None
    shop.suppressions.down = True
    assert await shop.post(body(new), kind) is None


async def test_while_a_key_is_rotated_it_leaves_whom_nothing_was_brought_for_to_the_handler() -> None:
    former = Pseudonymiser("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=")
    shop = await Shop(former=former).open()
    kind = {b"content-type": b"text/plain"}
    sent = body({"type": "PageViewed", "page": "/", "id": "event-0001", "at": AFTER})
    assert await shop.post(sent, kind) is None and not shop.store.rows
    headers = {name.decode(): value.decode() for name, value in kind.items()}
    asked = ask("POST", "/v1/events", sent, headers, f"key={KEY}")
    assert (await handler.answer(asked, shop.room, NOW)).status_code == 204
    assert await shop.post(sent, kind) is not None and len(shop.store.rows) == 1
    shop.suppressions.suppress("demo", former("9250001234567"), NOW)
    assert await shop.post(sent, kind) is None, "erased under the former key"
