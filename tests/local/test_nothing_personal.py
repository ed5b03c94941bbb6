"""Whatever a working stack writes beside its stores of events (logs, metrics' labels, traces, answers that refuse,
documents, messages that may become dead letters) names nobody and holds no secret; and the test that says so is itself
seen to fail. Beside that: documents hold the declared fields and no others."""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest

from emulators.raising import SECRETS
from emulators.stack import Stack
from layers.shell.push import encode_push
from layers.stores.collections import COLLECTIONS
from tests.local.shop_visit import Shop, eventually, scored, visit
from tests.local.witness import (
    LINES,
    PSEUDONYM,
    Ears,
    delete_document,
    documents,
    leaks,
    put_document,
    written,
)
from tests.loopback import HTTP
from tests.privacy.search import Piece


@dataclass
class World:
    """A stack after a visit and after everything that could make it talk.

    Attributes:
        needles: what may stand nowhere, by name.
    """

    shop: Shop
    ears: Ears
    answers: list[httpx.Response]
    needles: dict[str, str]


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    shop = Shop(stack)
    shop.publish_tree()
    prefix = f"t{uuid.uuid4().hex[:12]}-"
    customer, email = f"nobody-{prefix}", f"jane.{prefix}@example.org"
    phone = f"06{uuid.uuid4().int % 10**8:08d}"
    people = {"customer id": customer, "e-mail": email, "phone": phone, PSEUDONYM: shop.pseudonym(customer)}
    secrets = {f"secret {n}": v for n, v in json.loads((shop.stack.folder / SECRETS).read_text()).items()}
    assert len(secrets) >= 2
    with Ears(shop, prefix) as ears:
        answers = talked(shop, prefix, customer, email, phone)
        yield World(shop, ears, answers, {**people, **secrets})


def talked(shop: Shop, prefix: str, customer: str, email: str, phone: str) -> list[httpx.Response]:
    """What every entrance answers to a visit, and to personal data wherever a caller can put some."""
    events = visit(prefix, seed=11, events=6)
    shop.must_post(customer, events)
    shop.shown(customer, after=events[-1]["id"])
    eventually("events cooled", lambda: shop.cooled(prefix), lambda seen: seen >= {event["id"] for event in events})
    answers = [
        shop.post(customer, [{**events[0], "id": f"{prefix}bad-1", "email": email}]),
        shop.post(customer, [{**events[0], "id": f"{prefix}bad-2", "at": email}, {"type": phone}]),
        shop.post(email, events),
    ]
    door, page = shop.stack.address("ingest"), shop.stack.address("experiences")
    officer = shop.stack.address("consent_erasure")
    key, write_key = shop.retailer.read_key, shop.retailer.write_key
    answers.append(HTTP.post(f"{door}/v1/events?key={phone}", content=email, timeout=20))
    answers.append(HTTP.get(f"{page}/v1/experiences?key={email}", headers={"gondola-shopper": customer}, timeout=20))
    answers.append(HTTP.get(f"{page}/v1/experiences?key={key}", headers={"gondola-shopper": email}, timeout=20))
    answers.append(HTTP.get(f"{page}/v1/experiences?key={key}", headers={"gondola-shopper": customer}, timeout=20))
    unproved = shop.token(customer)[:-4]
    answers.append(HTTP.get(f"{page}/v1/experiences?key={key}", headers={"gondola-shopper": unproved}, timeout=20))
    # A tracker's library may put anything into these, and Google's tools take them for a trace's name.
    traced = {"traceparent": f"00-{email}-01", "x-cloud-trace-context": f"{email}/1;o=1", "baggage": f"user={phone}"}
    body = {"shopper": customer, "session": "s1", "channel": "web", "events": [{**events[0], "id": f"{prefix}traced"}]}
    answers.append(HTTP.post(f"{door}/v1/events?key={write_key}", json=body, headers=traced, timeout=20))
    shopper = {"gondola-shopper": shop.token(customer), **traced}
    answers.append(HTTP.get(f"{page}/v1/experiences?key={key}", headers=shopper, timeout=20))
    for path in ("/v1/erasures", "/v1/access", "/v1/objections"):
        for sent in ({"customers": [customer, email], phone: 1}, {"retailer": email}, [customer]):
            answers.append(HTTP.post(f"{officer}{path}", json=sent, timeout=20))
    for function in ("cooling", "decisioning"):
        subscription = f"projects/p/subscriptions/{function}--shopper-events"
        for data in (email.encode(), json.dumps({"shopper": customer, "event": phone}).encode()):
            pushed = encode_push(data, {"retailer": "demo"}, prefix, datetime.now(UTC), subscription)
            answers.append(HTTP.post(shop.stack.address(function), content=pushed, timeout=20))
        nobodys = encode_push(b"{}", {"retailer": email}, f"{prefix}n", datetime.now(UTC), subscription)
        answers.append(HTTP.post(shop.stack.address(function), content=nobodys, timeout=20))
    for function in ("retention_purge", "reconciliation", "scoring_watch", "draws"):
        shop.stack.fire(function)
    scored(shop)
    assert any(answer.status_code >= 400 for answer in answers)
    return answers


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_nothing_that_a_stack_writes_names_anybody(world: World) -> None:
    pieces = list(written(world.shop, world.ears, world.answers))
    assert leaks(world.needles, pieces) == []
    places = {piece.place for piece in pieces}
    # A test of nothing proves nothing.
    for place in (
        "log of ingest",
        "documents of quarantine",
        "attributes of shopper-events",
        "attributes of decisions",
        "trace of shopper-events",
        "trace in the log of decisioning",
        "labels of reconciliation/runs",
        f"{LINES} shopper-events",
    ):
        assert place in places, place
    shopper = world.needles[PSEUDONYM].encode()
    assert any(shopper in piece.data for piece in pieces if piece.place == f"{LINES} shopper-events")


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_documents_hold_the_declared_fields_and_no_others(world: World) -> None:
    for collection in COLLECTIONS:
        for document in documents(world.shop, collection.name):
            assert set(document.get("fields", {})) <= set(collection.fields), (
                f"{collection.name}: declare every field in layers/stores/collections.py, then `make register`"
            )


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_what_a_stack_should_not_have_written_is_found_wherever_it_did(world: World) -> None:
    """The test above, with one thing personal put where each kind of writing goes: it fails, and says where."""
    shop, mark = world.shop, uuid.uuid4().hex
    email, pseudonym = f"eve.{mark}@example.org", f"01{mark}"
    needles = {"e-mail": email, PSEUDONYM: pseudonym}
    dead = world.ears.dead[0]

    def logs(function: str, **entry: str) -> None:
        with shop.stack.log_file(function).open("a") as log:
            log.write(json.dumps({"severity": "INFO", "message": "planted", **entry}) + "\n")

    assert leaks(needles, written(shop, world.ears, world.answers)) == []
    logs("ingest", error=email)
    logs("decisioning", trace=email)
    logs("retention_purge", message="erasure without a receipt", retailer=pseudonym, urgency="soon")
    logs("feeds", path=quote(email, safe=""))
    put_document(shop, "quarantine", mark, "reason", base64.b64encode(email.encode() * 2).decode())
    world.ears.publish(dead, f"{pseudonym} {email}".encode(), {"retailer": pseudonym, "trace": email})
    world.ears.publish(dead, pseudonym.encode(), {"retailer": "demo"})
    answer = httpx.Response(400, headers={"location": f"/{email}"}, json={"detail": pseudonym})
    try:
        found = leaks(needles, written(shop, world.ears, [*world.answers, answer]))
    finally:
        delete_document(shop, "quarantine", mark)
    assert sorted(found) == sorted(
        [
            (f"answer {len(world.answers)} (400)", "e-mail"),
            (f"answer {len(world.answers)} (400)", PSEUDONYM),
            ("log of ingest", "e-mail"),
            ("log of decisioning", "e-mail"),
            ("trace in the log of decisioning", "e-mail"),
            ("log of retention_purge", PSEUDONYM),
            ("labels of retention_purge/late_erasures", PSEUDONYM),
            ("log of feeds", "e-mail"),
            ("documents of quarantine", "e-mail"),
            (f"attributes of {dead}", "e-mail"),
            (f"attributes of {dead}", PSEUDONYM),
            (f"trace of {dead}", "e-mail"),
            (f"{LINES} {dead}", "e-mail"),
        ]
    )


WRAPPINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: f'{{"error":"no such shopper {text}"}}'.encode(),
    "in capitals": lambda text: text.upper().encode(),
    "in an address": lambda text: f"GET /v1/x?key={quote(text, safe='')}".encode(),
    "escaped": lambda text: json.dumps("é" + text).replace("@", "\\u0040").encode(),
    "base64": lambda text: base64.b64encode(f"user {text}, twice: {text}".encode()),
    "gzip": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("needle", ["jane.roe@example.org", "9250001234567", "01" + "ab" * 16])
def test_it_is_found_in_every_wrapping(wrapping: str, needle: str) -> None:
    pieces = [Piece("log of ingest", b"nothing"), Piece("log of cooling", WRAPPINGS[wrapping](needle))]
    assert leaks({"it": needle}, pieces) == [("log of cooling", "it")]
    assert leaks({"it": needle[::-1]}, pieces) == []
