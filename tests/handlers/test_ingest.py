"""The front door: who may come in, what is kept, what is answered, and what no log ever says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.ingest.bringing import Bringing
from functions.ingest.commit import CLOSE_AT_EVENTS, GROUPS_AT_ONCE, PENDING_BYTES, REFUSE_AFTER_S, GroupCommit
from functions.ingest.handler import PATH, answer
from functions.ingest.room import Room
from functions.ingest.rules import Door as Doorway
from layers.events.envelope import MAX_BODY_BYTES
from layers.events.record import decode_lines, decode_record
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.signature import sign
from layers.privacy.suppression import REFUSED
from layers.retailers import Registry, Retailer
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.bigtable.port import HotEvent
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.suppressions import FakeSuppressions
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXAMPLES = json.loads((Path(__file__).parents[1] / "examples" / "events.json").read_text())
KEY = "write-key-of-demo"
SIGNING = bytes(range(32))
CUSTOMER = "9250001234567"
DEMO = Retailer(id="demo", name="Demo", write_key=KEY, read_key="read-key-of-demo-1", origins=("https://shop.example",))


class Door:
    """A room on fakes."""

    def __init__(self) -> None:
        self.store, self.journal, self.topic = FakeHotEvents(), FakeArrivals(), FakePublisher()
        self.rows = FakeShopperRows()
        pseudonymiser = Pseudonymiser("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
        self.pseudonym = pseudonymiser(CUSTOMER)
        self.suppressions = FakeSuppressions()
        self.doors = {"demo": Doorway(DEMO, pseudonymiser, partial(self.suppressions.erased_at, "demo"))}
        self.recommit()

    def recommit(
        self, close_after_s: float = 0, pending_bytes: int = PENDING_BYTES, refuse_after_s: float = REFUSE_AFTER_S
    ) -> None:
        commit = GroupCommit(
            self.store, self.journal, self.rows, self.topic, close_after_s, pending_bytes, refuse_after_s
        )
        bringing = Bringing(self.rows, commit, time.monotonic)
        self.room = Room(Registry([DEMO]), self.doors, {"demo": SIGNING}, commit, self.suppressions, bringing)

    async def post(
        self, body: object, headers: dict[str, str] | None = None, query: str = f"key={KEY}", method: str = "POST"
    ) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        return await answer(ask(method, "/v1/events", data, sent, query), self.room, NOW)

    def dispatched(self) -> list[str]:
        return [r.event.id for message in self.topic.messages for r in decode_lines(message.data)[0]]

    def stored(self) -> list[str]:
        return [key.decode().rsplit("#", 1)[1] for key in self.store.rows]


@pytest.fixture
async def door() -> Door:
    return Door()


def envelope(*events: object, **changes: object) -> dict[str, object]:
    return {"shopper": CUSTOMER, "session": "s1", "channel": "web", "events": list(events), **changes}


def event(number: int) -> dict[str, Any]:
    return {"type": "PageViewed", "id": f"event-{number:04d}", "at": "2026-11-22T10:15:00Z", "page": "/"}


def problem(response: Response) -> dict[str, Any]:
    assert response.media_type == "application/problem+json"
    document = json.loads(bytes(response.body))
    assert document["status"] == response.status_code
    assert {"type", "title", "detail"} <= set(document)
    return dict(document)


async def test_every_type_is_stored_and_dispatched_under_the_pseudonym(door: Door) -> None:
    response = await door.post(envelope(*EXAMPLES["valid"]))
    assert response.status_code == 204
    ids = [e["id"] for e in EXAMPLES["valid"]]
    assert door.dispatched() == ids
    assert sorted(door.stored()) == sorted(ids)
    everything = b"".join(m.data for m in door.topic.messages) + b"".join(
        key + row.line for key, row in door.store.rows.items()
    )
    assert CUSTOMER.encode() not in everything
    assert door.pseudonym.encode() in everything
    assert door.topic.messages[0].attributes == {"retailer": "demo", "count": str(len(ids))}
    families = {row.family for row in door.store.rows.values()}
    assert families == {"browsing_395d", "transactions_1095d", "consent_1825d"}


async def test_sendbeacon_needs_no_preflight_and_a_page_may_read_the_answer(door: Door) -> None:
    headers = {"content-type": "text/plain;charset=UTF-8", "origin": "https://shop.example"}
    response = await door.post(envelope(event(1)), headers)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    preflight = await door.post(b"", {"origin": "https://shop.example"}, method="OPTIONS")
    assert (preflight.status_code, preflight.headers["access-control-allow-headers"]) == (204, "content-type")


async def test_a_bad_event_never_sinks_its_batch(door: Door) -> None:
    refused = EXAMPLES["refused"][0]["event"]
    response = await door.post(envelope(event(1), refused, event(2)))
    assert response.status_code == 200
    body = json.loads(bytes(response.body))
    assert body["accepted"] == 2
    assert [r["index"] for r in body["rejected"]] == [1]
    assert door.dispatched() == ["event-0001", "event-0002"]
    assert "jane" not in bytes(response.body).decode()


async def test_an_event_beyond_its_own_contract_is_refused(door: Door) -> None:
    response = await door.post(envelope({**event(1), "at": "2025-01-01T00:00:00Z"}, event(2)))
    assert "contract" in json.loads(bytes(response.body))["rejected"][0]["reason"]


@pytest.mark.parametrize(
    ("body", "headers", "query", "status", "kind"),
    [
        (envelope(event(1)), {}, "key=not-a-known-key-1", 401, "unknown-key"),
        (envelope(event(1)), {}, "", 401, "unknown-key"),
        (envelope(event(1)), {}, f"key={KEY}&key={KEY}", 401, "unknown-key"),
        (envelope(event(1)), {}, f"key={KEY}&key=other", 401, "unknown-key"),
        (envelope(event(1)), {"origin": "https://evil.example"}, None, 403, "origin-not-allowed"),
        (envelope(event(1)), {"origin": "null"}, None, 403, "origin-not-allowed"),
        (envelope(event(1)), {"content-type": "application/xml"}, None, 415, "content-type"),
        (envelope(event(1)), {"content-type": ""}, None, 415, "content-type"),
        (envelope(event(1)), {"content-encoding": "gzip"}, None, 415, "content-encoding"),
        (b"{", {}, None, 400, "invalid-body"),
        (b"", {}, None, 400, "invalid-body"),
        (envelope(event(1), name="Jane Doe"), {}, None, 400, "invalid-body"),
        (envelope(event(1), shopper="jane@example.org"), {}, None, 400, "invalid-body"),
        (envelope(event(1), channel="fax"), {}, None, 400, "invalid-body"),
        (envelope(), {}, None, 400, "invalid-body"),
        ([envelope(event(1))], {}, None, 400, "invalid-body"),
        (envelope(EXAMPLES["refused"][0]["event"]), {}, None, 400, "no-valid-event"),
        (b"x" * (MAX_BODY_BYTES + 1), {}, None, 413, "body-too-large"),
        (b"{}", {"content-length": "99999999"}, None, 413, "body-too-large"),
    ],
)
async def test_each_refusal_has_a_reason_and_echoes_nothing(
    door: Door,
    capsys: pytest.CaptureFixture[str],
    body: object,
    headers: dict[str, str],
    query: str | None,
    status: int,
    kind: str,
) -> None:
    response = await door.post(body, headers, f"key={KEY}" if query is None else query)
    document = problem(response)
    assert response.status_code == status
    assert document["type"].endswith("/" + kind)
    said = bytes(response.body).decode() + capsys.readouterr().out
    for personal in ("Jane", "jane", CUSTOMER):
        assert personal not in said
    assert not door.store.rows
    assert not door.topic.messages


async def test_other_paths_and_methods(door: Door) -> None:
    wrong = await door.post(b"", method="GET", query="")
    assert (problem(wrong)["status"], wrong.headers["allow"]) == (405, "POST, OPTIONS")
    assert problem(await answer(ask("POST", "/v1/else"), door.room, NOW))["status"] == 404


@pytest.mark.parametrize("host", ["[", "x/v1/events?", "x/v1/openapi.json#"])
async def test_the_host_header_is_no_part_of_the_path(door: Door, host: str) -> None:
    response = await answer(ask("POST", "/v1/else", b"", {"host": host}), door.room, NOW)
    assert problem(response)["status"] == 404


async def test_the_document_is_for_everybody(door: Door) -> None:
    response = await answer(ask("GET", "/v1/openapi.json"), door.room, NOW)
    assert json.loads(bytes(response.body))["openapi"].startswith("3.1")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "max-age" in response.headers["cache-control"]
    wrong = await answer(ask("POST", "/v1/openapi.json"), door.room, NOW)
    assert (problem(wrong)["status"], wrong.headers["allow"]) == (405, "GET, HEAD")


async def test_who_goes_away_before_the_end_has_sent_nothing(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    begun: dict[str, object] = {"type": "http.request", "body": b"{", "more_body": True}
    gone_away: dict[str, object] = {"type": "http.disconnect"}
    messages = iter((begun, gone_away))

    async def receive() -> dict[str, object]:
        return next(messages)

    gone = Request(ask("POST", PATH, b"", {"content-type": "text/plain"}, f"key={KEY}").scope, receive)
    assert problem(await answer(gone, door.room, NOW))["status"] == 400
    assert not capsys.readouterr().out


async def test_a_signed_server_sends_many_shoppers_at_once(door: Door) -> None:
    body = json.dumps([envelope(event(1), channel="history"), envelope(event(2), shopper="7")]).encode()
    now = int(time.time())
    assert (await door.post(body, sign(SIGNING, "m1", now, body))).status_code == 204
    assert door.dispatched() == ["event-0001", "event-0002"]
    for headers in (sign(b"x" * 32, "m1", now, body), sign(SIGNING, "m1", now - 301, body)):
        document = problem(await door.post(body, headers))
        assert document["status"] == 401
    assert len(door.dispatched()) == 2


async def test_the_place_of_a_refused_event_is_told_over_all_envelopes(door: Door) -> None:
    body = json.dumps([envelope(event(1)), envelope(event(2), {"type": "PageViewed"})]).encode()
    response = await door.post(body, sign(SIGNING, "m1", int(time.time()), body))
    rejected = json.loads(bytes(response.body))["rejected"]
    assert [(r["envelope"], r["index"]) for r in rejected] == [(1, 1)]


async def test_a_body_in_pieces_is_read_whole_and_stopped_at_the_limit(door: Door) -> None:
    data = json.dumps(envelope(event(1))).encode()
    headers = {"content-type": "application/json"}
    request = ask("POST", "/v1/events", [data[:20], data[20:]], headers, f"key={KEY}")
    assert (await answer(request, door.room, NOW)).status_code == 204
    endless = ask("POST", "/v1/events", [b"x" * 40_000] * 3, headers, f"key={KEY}")
    assert (await answer(endless, door.room, NOW)).status_code == 413


@pytest.mark.parametrize("down", ["journal", "store", "topic"])
async def test_nothing_is_acknowledged_while_a_store_is_down_and_a_retry_is_harmless(door: Door, down: str) -> None:
    getattr(door, down).down = True
    response = await door.post(envelope(event(1)))
    assert problem(response)["status"] == 503
    assert response.headers["retry-after"] == "1"
    assert not door.dispatched()
    getattr(door, down).down = False
    assert (await door.post(envelope(event(1)))).status_code == 204
    assert (door.stored(), door.dispatched()) == (["event-0001"], ["event-0001"])


async def test_a_refused_row_fails_its_own_request_and_no_other(door: Door) -> None:
    door.store.refuses = lambda row: row.key.endswith(b"event-0002")
    answers = await asyncio.gather(*(door.post(envelope(event(n))) for n in (1, 2, 3)))
    assert [response.status_code for response in answers] == [204, 503, 204]
    assert sorted(door.dispatched()) == sorted(door.stored()) == ["event-0001", "event-0003"]


def consent(number: int, seconds: int, *purposes: str, **changes: str) -> dict[str, Any]:
    at = f"2026-11-22T10:15:{seconds:02d}Z"
    agreed = dict.fromkeys(purposes, True)
    return {"type": "ConsentChanged", "id": f"consent-{number:04d}", "at": at, "purposes": agreed, **changes}


async def test_an_acknowledged_consent_is_in_the_shoppers_row_and_the_newest_stays(door: Door) -> None:
    withdrawn, given = consent(1, 30), consent(2, 10, "personalisation")
    for told in (withdrawn, given):
        assert (await door.post(envelope(event(1), told))).status_code == 204
    row = await door.rows.read("demo", door.pseudonym)
    assert row.consent is not None
    kept = decode_record(row.consent)
    assert (kept.event.id, kept.shopper, kept.channel) == ("consent-0001", door.pseudonym, "web")


async def test_a_consent_that_its_row_does_not_hold_is_not_acknowledged_and_costs_no_other_request(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    door.rows.down = True
    answers = await asyncio.gather(*(door.post(envelope(told)) for told in (event(1), consent(1, 30), event(2))))
    assert [response.status_code for response in answers] == [204, 503, 204]
    assert len(door.dispatched()) == 3, "stored, so dispatched: decisioning brings it into the row when it can"
    assert door.pseudonym not in capsys.readouterr().out
    door.rows.down = False
    assert (await door.post(envelope(consent(1, 30)))).status_code == 204
    assert (await door.rows.read("demo", door.pseudonym)).consent is not None


async def test_a_consent_that_is_not_stored_is_in_no_row(door: Door) -> None:
    door.store.refuses = lambda row: b"consent-" in row.key
    assert (await door.post(envelope(event(1), consent(1, 30)))).status_code == 503
    assert (await door.rows.read("demo", door.pseudonym)).consent is None


async def test_what_is_published_is_already_stored(door: Door) -> None:
    seen: list[bool] = []
    publish = door.topic.publish

    class Watched(FakePublisher):
        async def publish(self, messages: Any) -> None:
            ids = {r.event.id for m in messages for r in decode_lines(m.data)[0]}
            seen.append(ids <= set(door.stored()))
            await publish(messages)

    door.topic = Watched()
    door.recommit()
    await asyncio.gather(*(door.post(envelope(event(n))) for n in range(50)))
    assert seen
    assert all(seen)


async def test_what_is_stored_is_already_in_the_journal(door: Door) -> None:
    door.journal.down = True
    assert (await door.post(envelope(event(1)))).status_code == 503
    assert door.stored() == []
    door.journal.down, door.store.down = False, True
    assert (await door.post(envelope(event(1)))).status_code == 503
    assert len(door.journal.rows) == 1


class Hanging(FakeHotEvents):
    """Takes rows when it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.on, self.groups = asyncio.Event(), list[int]()

    async def write(self, events: Sequence[HotEvent]) -> list[bool]:
        self.groups.append(len(events))
        await self.on.wait()
        return await super().write(events)


async def occupied(door: Door, store: Hanging) -> list[asyncio.Task[Response]]:
    """As many requests as there are groups in flight, each hanging in its own."""
    waiting = []
    for number in range(GROUPS_AT_ONCE):
        waiting.append(asyncio.create_task(door.post(envelope(event(number)))))
        while len(store.groups) <= number:
            await asyncio.sleep(0)
    return waiting


async def test_while_the_stores_are_slow_the_next_group_grows(door: Door) -> None:
    door.store = store = Hanging()
    door.recommit()
    waiting = await occupied(door, store)
    waiting += [asyncio.create_task(door.post(envelope(event(100 + number)))) for number in range(30)]
    await asyncio.sleep(0.01)
    assert store.groups == [1] * GROUPS_AT_ONCE
    store.on.set()
    assert {response.status_code for response in await asyncio.gather(*waiting)} == {204}
    assert store.groups == [*[1] * GROUPS_AT_ONCE, 30]


async def test_a_request_behind_groups_that_hang_is_refused_and_not_written_late(door: Door) -> None:
    door.store = store = Hanging()
    door.recommit(refuse_after_s=0.02)
    waiting = await occupied(door, store)
    late = asyncio.create_task(door.post(envelope(event(99))))
    await asyncio.sleep(0.03)
    young = asyncio.create_task(door.post(envelope(event(98))))
    await asyncio.sleep(0)
    store.on.set()
    assert {response.status_code for response in await asyncio.gather(*waiting, young)} == {204}
    assert (await late).status_code == 503
    assert "event-0099" not in door.stored() + door.dispatched()


async def test_requests_that_come_together_are_written_together(door: Door) -> None:
    door.recommit(close_after_s=30)
    answers = await asyncio.gather(*(door.post(envelope(event(n))) for n in range(CLOSE_AT_EVENTS)))
    assert {response.status_code for response in answers} == {204}
    assert [m.attributes["count"] for m in door.topic.messages] == ["100"] * (CLOSE_AT_EVENTS // 100)


async def test_when_too_much_is_waiting_the_door_says_so(door: Door) -> None:
    door.recommit(pending_bytes=10)
    response = await door.post(envelope(event(1)))
    assert problem(response)["status"] == 503
    assert not door.store.rows


async def test_no_log_holds_a_person(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    await door.post(envelope(event(1), {**event(2), "email": "jane@example.org"}))
    door.store.down = True
    await door.post(envelope(event(3)))
    lines = capsys.readouterr().out.strip().split("\n")
    assert {json.loads(line)["severity"] for line in lines} == {"WARNING", "ERROR"}
    assert not any(word in line for line in lines for word in ("jane", CUSTOMER, door.pseudonym))


async def test_what_an_erased_shopper_did_before_is_refused_and_what_comes_after_is_taken(door: Door) -> None:
    door.suppressions.suppress("demo", door.pseudonym, datetime(2026, 11, 22, 10, 15, tzinfo=UTC))
    after = {**event(2), "at": "2026-11-22T10:15:00.001Z"}
    response = await door.post(envelope(event(1), after))
    assert response.status_code == 200
    answered = json.loads(bytes(response.body))
    assert answered["accepted"] == 1
    assert answered["rejected"] == [{"index": 0, "path": "$.at", "reason": REFUSED}]
    assert CUSTOMER not in REFUSED and door.pseudonym not in REFUSED
    assert door.stored() == door.dispatched() == ["event-0002"]
    assert [row for row in door.journal.rows.values() if b"event-0001" in repr(row).encode()] == []


async def test_events_that_are_all_from_before_an_erasure_are_a_400_and_nobody_elses_are(door: Door) -> None:
    door.suppressions.suppress("demo", door.pseudonym, NOW)
    refused = problem(await door.post(envelope(event(1))))
    assert (refused["status"], refused["rejected"][0]["reason"]) == (400, REFUSED)
    assert (await door.post(envelope(event(1), shopper="somebody-else"))).status_code == 204


async def test_nothing_is_taken_before_it_is_known_who_is_erased(door: Door) -> None:
    door.suppressions.down = True
    response = await door.post(envelope(event(1)))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert problem(response)["type"].endswith("try-again")
    assert not door.store.rows
    door.suppressions.down = False
    assert (await door.post(envelope(event(1)))).status_code == 204
