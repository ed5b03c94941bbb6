"""An erasure through its endpoint: who may ask, what is gone, what a kill leaves, and what nobody ever reads."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from functions.consent_erasure.chain import opened
from functions.consent_erasure.handler import answer
from functions.consent_erasure.room import Room, declared_steps
from functions.consent_erasure.rules import Fingerprints, erasure_id
from functions.consent_erasure.verification import Verdict, verify
from layers.events.model import PageViewed
from layers.events.record import encode_record, milliseconds, row_key
from layers.facts import EVERYWHERE
from layers.privacy.keyring import KeyRing
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.suppression import digest, suppression_id
from layers.promises.model import Promises, promises_id
from layers.promises.model import document as promise_document
from layers.retailers import Registry, Retailer, RetentionClass, family
from layers.signing.fake import FakeSigner
from layers.signing.keys import PublicKey
from layers.signing.port import Unavailable as NobodySigns
from layers.stores.apart import ApartDocuments
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.bigtable.port import Arrival, HotEvent, ShopperRow, Unavailable
from layers.stores.collections import (
    CONTACTS,
    ERASURES,
    HOUSEHOLDS,
    PLAYERS,
    PROMISES,
    RECEIPT_HEADS,
    RECEIPTS,
    SUPPRESSIONS,
    Collection,
)
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.households import household_id
from layers.stores.pubsub.fake import FakeDeadLetters, FakePublisher
from layers.stores.pubsub.port import Message
from layers.stores.suppressions import HEARD_WITHIN_S, LONGEST_REQUEST_S, NOTED
from tests.handlers.asking import ask
from tests.handlers.cold_facts import ColdFacts
from tests.handlers.killing import struck

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()
PSEUDONYM = Pseudonymiser(KEY)
ERASED, STAYS = ("9250001234567", "9250001234568"), "9250007654321"
OFFICER, STRANGER, OTHER_OFFICER = "officer@demo.example", "who@demo.example", "officer@other.example"


def shop(id: str, officer: str) -> Retailer:
    return Retailer(
        id=id, name=id, write_key=f"{id}-write" * 2, read_key=f"{id}-read" * 2, origins=(), compliance=(officer,)
    )


DEMO, OTHER = shop("demo", OFFICER), shop("other", OTHER_OFFICER)
REGISTRY = Registry([DEMO, OTHER])


def bearer(email: str) -> dict[str, str]:
    claims = base64.urlsafe_b64encode(json.dumps({"email": email, "email_verified": True}).encode()).decode()
    return {"authorization": f"Bearer e30.{claims.rstrip('=')}.SIGNATURE_REMOVED_BY_GOOGLE"}


def clock() -> Iterator[datetime]:
    moment = NOW
    while True:
        yield moment
        moment += timedelta(seconds=1)


class Office:
    """A room on fakes, where three shoppers of one retailer stand in every store."""

    def __init__(self) -> None:
        self.events, self.arrivals, self.rows = FakeHotEvents(), FakeArrivals(), FakeShopperRows()
        self.documents, self.facts = FakeDocuments(), ColdFacts(DEMO.dataset, EVERYWHERE)
        self.topic, self.signer = FakePublisher(), FakeSigner()
        self.kept_apart = FakeDocuments("rewards")
        self.apart = ApartDocuments(self.kept_apart, REGISTRY.by_id)
        self.waited: list[float] = []
        self.rested, self.pace = 0.0, 1.0
        self.dead = FakeDeadLetters([DEAD, "decisioning--shopper-events--dead"], lambda: self.rested)
        self.room = Room(
            REGISTRY,
            {"demo": KeyRing({1: KEY}), "other": KeyRing({1: base64.b64encode(bytes(32)).decode()})},
            declared_steps(REGISTRY),
            self.documents,
            self.events,
            self.arrivals,
            self.rows,
            self.facts,
            self.topic,
            DeadLetterSweep(self.dead, self.documents, REGISTRY.by_id, self.later, self.rest, lambda: self.rested),
            self.signer,
            self.apart,
            self.pause,
        )
        self.times = clock()

    async def pause(self, seconds: float) -> None:
        self.waited.append(seconds)

    async def rest(self, seconds: float) -> None:
        """Of a sweep: nothing but time passes."""
        await asyncio.sleep(0)
        self.rested += seconds * self.pace

    def later(self) -> datetime:
        return NOW + timedelta(seconds=self.rested)

    async def filled(self) -> Office:
        for number in range(3):
            group = [event(PSEUDONYM(customer), f"{customer[-4:]}-{number:05d}") for customer in (*ERASED, STAYS)]
            await self.events.write(group)
            await self.arrivals.note([Arrival("demo", NOW, [each.key for each in group])])
        for customer in (*ERASED, STAYS):
            shopper = PSEUDONYM(customer)
            await self.rows.write_parameters("demo", [(shopper, b"{}")], 1)
            await self.rows.write_consent("demo", shopper, 1, b"{}")
            promises = promise_document(Promises(retailer="demo", at=NOW))
            await self.documents.put(PROMISES, promises_id("demo", shopper), promises)
            for table in EVERYWHERE:
                if table.holds_shoppers:
                    self.facts.tables[DEMO.dataset, table.stored_as] += [{"shopper": shopper}, {"shopper": shopper}]
            played = {"retailer": "demo", "shopper": digest("demo", shopper)}
            for number in range(2):
                id, game, household = f"demo:{customer}:{number}", f"g{number}", digest("demo", f"of {customer}")
                entry = {"game": game, "orders": {customer: customer}, "households": {customer: household}}
                joined = {"retailer": "demo", "game": game, "household": household, "entries": [customer]}
                await self.kept_apart.put(HOUSEHOLDS, household_id("demo", game, household), joined)
                await self.kept_apart.put(PLAYERS, id, {**played, **entry})
                await self.kept_apart.put(CONTACTS, id, {**played, "email": customer})
        lines = [record(customer, number) for number in range(2) for customer in (*ERASED, STAYS)]
        await self.dead.put_back(DEAD, [Message(b"\n".join(lines), {"retailer": "demo", "count": "6"})])
        await self.dead.put_back(DEAD, [Message(record(STAYS, 9), {"retailer": "demo", "count": "1"})])
        return self

    async def post(
        self, body: object | None = None, email: str = OFFICER, headers: dict[str, str] | None = None
    ) -> Response:
        body = {"retailer": "demo", "reference": "R-1", "customers": list(ERASED)} if body is None else body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **bearer(email), **(headers or {})}
        return await answer(ask("POST", "/v1/erasures", data, sent), self.room, lambda: next(self.times))

    async def get(self, path: str, email: str = OFFICER) -> Response:
        return await answer(ask("GET", path, headers=bearer(email)), self.room, lambda: next(self.times))

    async def residue(self, customer: str) -> int:
        """What is left of a shopper, past the project's own steps."""
        shopper = PSEUDONYM(customer)
        documents = repr((self.documents.collections, self.dead.letters, self.kept_apart.collections))
        hot = [key for key in (*self.events.rows, *self.rows.rows) if shopper.encode() in key]
        hot += [key for key, columns in self.arrivals.rows.items() if shopper.encode() in columns]
        cold = [row for rows in self.facts.tables.values() for row in rows if row["shopper"] == shopper]
        asked = " ".join(self.facts.job_history)
        kept = sum(text.count(name) for text in (documents, asked) for name in (shopper, customer))
        promised = promises_id("demo", shopper) in self.documents.collections.get(PROMISES.name, {})
        return len(hot) + len(cold) + kept + promised


DEAD = "cooling--shopper-events--dead"


def record(customer: str, number: int) -> bytes:
    seen = PageViewed(id=f"{customer}-dead-{number}"[-20:], at=NOW - timedelta(minutes=number + 1), page="/")
    return encode_record(PSEUDONYM(customer), "s", "web", NOW, msgspec.json.encode(seen))


def event(shopper: str, id: str) -> HotEvent:
    seen = PageViewed(id=id, at=NOW - timedelta(days=1), page="/")
    line = encode_record(shopper, "s", "web", NOW, b"{}")
    return HotEvent(
        row_key("demo", shopper, seen.at, id), family(RetentionClass.BROWSING, 395), milliseconds(seen.at), line
    )


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


async def test_a_shopper_is_gone_from_every_store_and_the_others_stay() -> None:
    office = await Office().filled()
    before = await office.residue(STAYS)
    response = await office.post()
    told = body_of(response)
    assert (response.status_code, told["status"]) == (202, "complete")
    assert [await office.residue(customer) for customer in ERASED] == [0, 0]
    assert await office.residue(STAYS) == before > 0
    receipt = body_of(await office.get(told["receipt_url"]))
    numbers = {store["store"]: (store["found"], store["deleted"], store["remaining"]) for store in receipt["stores"]}
    assert numbers.pop("bigtable:events") == (6, 6, 0)
    assert numbers.pop("bigtable:arrivals") == (6, 6, 0)
    assert numbers.pop("bigtable:shoppers") == (2, 2, 0)
    assert numbers.pop("firestore:promises") == (2, 2, 0)
    assert numbers.pop("pubsub:dead-letters") == (4, 4, 0)
    apart = {"firestore:households", "firestore:players", "firestore:contacts"}
    assert set(numbers) == {f"bigquery:{table.stored_as}" for table in EVERYWHERE if table.holds_shoppers} | apart
    assert set(numbers.values()) == {(4, 4, 0)}


async def test_the_receipt_and_the_documents_name_nobody() -> None:
    office = await Office().filled()
    told = body_of(await office.post())
    receipt = bytes((await office.get(told["receipt_url"])).body).decode()
    for customer in ERASED:
        assert customer not in receipt and PSEUDONYM(customer) not in receipt
        assert Fingerprints(KEY, told["id"]).of_customer(customer) in receipt, "who has the key can prove whom it means"
    stored = office.documents.collections[SUPPRESSIONS.name]
    assert set(stored) == {suppression_id("demo", PSEUDONYM(customer)) for customer in ERASED}
    assert all((d.data["retailer"], d.data["since"]) == ("demo", NOW) for d in stored.values())
    assert {name for document in stored.values() for name in document.data} == {"retailer", "since", NOTED}


async def test_nothing_personal_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    office = await Office().filled()
    await office.post()
    await office.post({"retailer": "demo", "reference": "R-2", "customers": ["jane@example.org"]})
    said = "".join(capsys.readouterr())
    assert "erasure complete" in said
    for secret in (*ERASED, *map(PSEUDONYM, ERASED), "jane", OFFICER, "R-1"):
        assert secret not in said


async def verdict(office: Office, *ids: str) -> Verdict:
    """What anybody finds who has these receipts and the public key."""
    key = PublicKey(bytes((await office.get("/v1/erasures/key")).body))
    texts = [bytes((await office.get(f"/v1/erasures/{id}/receipt")).body) for id in ids]
    return verify([(f"{number}.json", text) for number, text in enumerate(texts)], [key])


async def test_the_receipts_are_verified_by_the_public_key_alone() -> None:
    office = await Office().filled()
    first = body_of(await office.post())["id"]
    second = body_of(await office.post({"retailer": "demo", "reference": "R-2", "customers": ["77"]}))["id"]
    assert (await verdict(office, first, second)).holds
    assert not (await verdict(office, second, first)).holds
    receipt = body_of(await office.get(f"/v1/erasures/{first}/receipt"))
    cold = [store for store in receipt["stores"] if store["store"].startswith("bigquery:")]
    assert cold and all(len(store["jobs"]) == 1 and store["verified_by"] for store in cold)
    assert receipt["due"] == "2026-12-22T12:00:00.000Z"


async def test_the_stores_are_read_again_once_nothing_from_before_is_on_its_way() -> None:
    office = await Office().filled()
    body = json.dumps({"retailer": "demo", "reference": "R-1", "customers": list(ERASED)}).encode()
    asked = ask("POST", "/v1/erasures", body, {"content-type": "application/json", **bearer(OFFICER)})
    assert (await answer(asked, office.room, lambda: NOW)).status_code == 202
    assert office.waited == [HEARD_WITHIN_S + LONGEST_REQUEST_S]


async def test_a_run_that_is_killed_while_it_waits_is_resumed_for_the_rest_of_the_wait() -> None:
    office = await Office().filled()
    body = json.dumps({"retailer": "demo", "reference": "R-1", "customers": list(ERASED)}).encode()

    def asked() -> Request:
        return ask("POST", "/v1/erasures", body, {"content-type": "application/json", **bearer(OFFICER)})

    async def killed(seconds: float) -> None:
        raise Killed

    with pytest.raises(Killed):
        await answer(asked(), replace(office.room, pause=killed), lambda: NOW)
    told = body_of(await office.get(f"/v1/erasures/{erasure_id('demo', 'R-1')}"))
    assert told["status"] == "running" and not any(store["verified"] for store in told["stores"])
    assert (await answer(asked(), office.room, lambda: NOW + timedelta(seconds=20))).status_code == 202
    assert office.waited == [office.room.settled_s - 20]


async def test_what_an_entrance_had_let_in_before_and_stores_late_is_erased_before_the_receipt() -> None:
    office = await Office().filled()

    async def late(seconds: float) -> None:
        if not office.waited:
            await office.events.write([event(PSEUDONYM(ERASED[0]), "event-late")])
        office.waited.append(seconds)

    # The clock goes on with each look at it, and by now there are many stores.
    office.room = replace(office.room, pause=late, settled_s=3600)
    told = body_of(await office.post())
    events = body_of(await office.get(told["receipt_url"]))["stores"][0]
    assert (told["status"], events["found"], events["remaining"]) == ("complete", 7, 0)
    assert await office.residue(ERASED[0]) == 0


async def test_a_signer_that_is_down_stops_it_before_the_receipt_and_nothing_is_done_twice() -> None:
    office = await Office().filled()
    office.signer.down = True
    with pytest.raises(NobodySigns):
        await office.post()
    status = body_of(await office.get(f"/v1/erasures/{erasure_id('demo', 'R-1')}"))
    assert status["status"] == "running" and all(store["verified"] for store in status["stores"])
    office.signer.down = False
    told = body_of(await office.post())
    assert told["status"] == "complete" and (await verdict(office, told["id"])).holds


async def test_erasures_that_end_at_once_make_one_chain() -> None:
    office = await Office().filled()
    office.room, office.pace = dying(office.room, [10**9], False), 0.001
    asked = [{"retailer": "demo", "reference": f"R-{n}", "customers": [f"90{n}"]} for n in range(8)]
    told = [body_of(answered) for answered in await asyncio.gather(*(office.post(each) for each in asked * 2))]
    assert {each["status"] for each in told} == {"complete"}
    receipts = [body_of(await office.get(each["receipt_url"])) for each in told[:8]]
    in_order = [each["id"] for each in sorted(receipts, key=lambda receipt: receipt["chain"]["number"])]
    assert (await verdict(office, *in_order)).holds and len(office.documents.collections[RECEIPTS.name]) == 8
    assert office.documents.collections[RECEIPT_HEADS.name]["demo"].data["number"] == 8


async def test_a_request_that_is_late_says_so() -> None:
    office = await Office().filled()
    office.facts.down = True
    with pytest.raises(Exception, match="down"):
        await office.post()
    path = f"/v1/erasures/{erasure_id('demo', 'R-1')}"
    told = body_of(await office.get(path))
    assert (told["due"], told["overdue"]) == ("2026-12-22T12:00:00.000Z", False)
    response = await answer(ask("GET", path, headers=bearer(OFFICER)), office.room, lambda: NOW + timedelta(days=31))
    assert body_of(response)["overdue"] is True


async def test_asking_again_changes_nothing_and_answers_the_same() -> None:
    office = await Office().filled()
    first = body_of(await office.post())
    receipt = body_of(await office.get(first["receipt_url"]))
    again = await office.post({"retailer": "demo", "reference": "R-1", "customers": list(reversed(ERASED))})
    assert (again.status_code, body_of(again)) == (202, first)
    assert body_of(await office.get(first["receipt_url"])) == receipt


async def test_a_reference_names_one_list_of_customers() -> None:
    office = await Office().filled()
    await office.post()
    left = await office.residue(STAYS)
    other = await office.post({"retailer": "demo", "reference": "R-1", "customers": [STAYS]})
    assert other.status_code == 409 and body_of(other)["type"].endswith("reference-used")
    assert await office.residue(STAYS) == left


async def test_a_second_request_for_an_erased_shopper_finds_nothing_and_renews_the_suppression() -> None:
    office = await Office().filled()
    await office.post()
    told = body_of(await office.post({"retailer": "demo", "reference": "R-2", "customers": [ERASED[0]]}))
    receipt = body_of(await office.get(told["receipt_url"]))
    assert {store["found"] for store in receipt["stores"]} == {0}
    first = opened(bytes((await office.get(f"/v1/erasures/{erasure_id('demo', 'R-1')}/receipt")).body))
    assert receipt["chain"] == {"number": 2, "previous": first.link.sha256}
    since = office.documents.collections[SUPPRESSIONS.name][suppression_id("demo", PSEUDONYM(ERASED[0]))].data["since"]
    assert since > NOW


class Killed(BaseException):
    """No handler catches it: the process is gone."""


READS = {"get", "find", "read", "count", "count_shopper", "count_shoppers", "public_key"}
"""Killed before one of these, a run leaves what it leaves when it is killed after the call before."""


class Dying:
    """Passes every call on to a store, until the nth of all stores but the reads, which ends the process before or
    after it."""

    def __init__(self, store: Any, left: list[int], after: bool, made: list[str]) -> None:
        self._store, self._left, self._after, self._made = store, left, after, made

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name in ("full_name", "names"):
            return call
        if isinstance(self._store, ColdFacts):

            def blocking(*arguments: Any) -> Any:
                dies = self._due(name, arguments)
                if dies and not self._after:
                    raise Killed
                answered = call(*arguments)
                if dies:
                    raise Killed
                return answered

            return blocking

        async def mortal(*arguments: Any, **named: Any) -> Any:
            # A real store lets other requests run meanwhile; the ones in memory never do.
            await asyncio.sleep(0)
            dies = self._due(name, arguments)
            if dies and not self._after:
                raise Killed
            answered = await call(*arguments, **named)
            if dies:
                raise Killed
            return answered

        return mortal

    def _due(self, name: str, arguments: tuple[Any, ...]) -> bool:
        if name in READS:
            return False
        first = arguments[0] if arguments else None
        of = first.name if isinstance(first, Collection) else ""
        self._made.append(f"{type(self._store).__name__}.{name} {of}")
        self._left[0] -= 1
        return self._left[0] == 0


STORES = ("documents", "hot_events", "arrivals", "shopper_rows", "warehouse", "signer", "apart")


def dying(room: Room, left: list[int], after: bool, made: list[str] | None = None) -> Room:
    """Args:
    made: every call that counts is noted there, by its kind.
    """
    made = [] if made is None else made
    stores: dict[str, Any] = {name: Dying(getattr(room, name), left, after, made) for name in STORES}
    mortal = [Dying(store, left, after, made) for store in (room.dead_letters._dead, stores["documents"]._store)]
    sweep = copy.copy(room.dead_letters)
    sweep._dead, sweep._documents = mortal
    return replace(room, **stores, dead_letters=sweep)


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_at_any_deed_is_resumed_by_the_same_request(after: bool, long_form: bool) -> None:
    whole = await Office().filled()
    sound, made = whole.room, list[str]()
    whole.room = dying(sound, [0], after, made)
    done = body_of(await whole.post())
    whole.room = sound
    expected = body_of(await whole.get(done["receipt_url"]))
    assert len(made) > 100 and {f"{ColdFacts.__name__}.job ", f"FakeDocuments.replace {ERASURES.name}"} <= set(made)
    for calls in struck(made, long_form):
        office = await Office().filled()
        sound = office.room
        office.room = dying(sound, [calls], after)
        with pytest.raises(Killed):
            await office.post()
        office.room = sound
        told = body_of(await office.post())
        assert told["status"] == "complete", f"killed at call {calls}"
        assert [await office.residue(customer) for customer in ERASED] == [0, 0]
        assert (await verdict(office, told["id"])).holds
        assert len(office.documents.collections[RECEIPTS.name]) == 1, f"killed at call {calls}"
        receipt = body_of(await office.get(told["receipt_url"]))
        assert receipt["chain"] == {"number": 1, "previous": None}
        for was, now in zip(expected["stores"], receipt["stores"], strict=True):
            assert [now[name] for name in ("store", "found", "deleted", "remaining")] == [
                was[name] for name in ("store", "found", "deleted", "remaining")
            ], f"killed at call {calls}"


def test_every_store_of_the_room_can_die() -> None:
    others = {"registry", "keys", "steps", "topic", "pause", "settled_s"}
    assert {*STORES, "dead_letters"} == {field.name for field in fields(Room)} - others


async def test_a_store_that_is_down_stops_it_and_the_status_shows_how_far_it_came() -> None:
    office = await Office().filled()
    office.facts.down = True
    with pytest.raises(Exception, match="down"):
        await office.post()
    id = next(iter(office.documents.collections[ERASURES.name]))
    status = body_of(await office.get(f"/v1/erasures/{id}"))
    assert status["status"] == "running" and status["finished"] is None
    progress = {store["store"]: store for store in status["stores"]}
    assert progress["bigtable:events"]["finished"] and progress["bigtable:events"]["deleted"] == 6
    assert progress["bigquery:cooled_orders"]["finished"] is None
    missing = await office.get(f"/v1/erasures/{id}/receipt")
    assert missing.status_code == 404 and body_of(missing)["type"].endswith("no-receipt-yet")
    office.facts.down = False
    assert body_of(await office.post())["status"] == "complete"


class Late(FakeHotEvents):
    """Of every shopper deleted, some events come in again, as from a queue that is still full."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        gone = await super().delete_shopper(retailer_id, shopper)
        if self.times > 0:
            self.times -= 1
            await self.write([event(shopper, f"late-{self.times:04d}")])
        return gone


async def test_late_arrivals_are_erased_too() -> None:
    office = Office()
    office.events = Late(2)
    office.room = replace(office.room, hot_events=office.events)
    await office.filled()
    told = body_of(await office.post())
    receipt = body_of(await office.get(told["receipt_url"]))
    events = next(store for store in receipt["stores"] if store["store"] == "bigtable:events")
    assert (events["found"], events["deleted"], events["remaining"]) == (8, 8, 0)
    assert await office.residue(ERASED[0]) == 0


async def test_what_keeps_coming_makes_it_incomplete_and_never_a_receipt() -> None:
    office = Office()
    office.events = Late(10**6)
    office.room = replace(office.room, hot_events=office.events)
    await office.filled()
    told = body_of(await office.post())
    assert told["status"] == "incomplete"
    assert (await office.get(told["receipt_url"])).status_code == 404
    status = body_of(await office.get(told["status_url"]))
    events = next(store for store in status["stores"] if store["store"] == "bigtable:events")
    assert events["remaining"] == 2 and events["found"] == events["deleted"] + 2
    office.events.times = 0
    assert body_of(await office.post())["status"] == "complete"


async def test_two_runs_at_once_end_with_one_right_receipt() -> None:
    office = await Office().filled()
    office.room, office.pace = dying(office.room, [10**9], False), 0.001
    first, second = await asyncio.gather(office.post(), office.post())
    assert body_of(first)["status"] == body_of(second)["status"] == "complete"
    receipt = body_of(await office.get(body_of(first)["receipt_url"]))
    assert all(store["found"] == store["deleted"] and store["remaining"] == 0 for store in receipt["stores"])


@pytest.mark.parametrize(
    ("headers", "email", "body", "status", "kind"),
    [
        ({"authorization": ""}, OFFICER, None, 401, "not-identified"),
        ({"authorization": "Bearer nonsense"}, OFFICER, None, 401, "not-identified"),
        ({}, STRANGER, None, 403, "not-your-retailer"),
        ({}, OTHER_OFFICER, None, 403, "not-your-retailer"),
        ({}, OFFICER, {"retailer": "nobody", "reference": "R", "customers": ["1"]}, 403, "not-your-retailer"),
        ({"x-serverless-authorization": bearer(STRANGER)["authorization"]}, OFFICER, None, 403, "not-your-retailer"),
        ({"content-type": "text/plain"}, OFFICER, None, 415, "content-type"),
        ({}, OFFICER, b"{", 400, "invalid-request"),
        (
            {},
            OFFICER,
            {"retailer": "demo", "reference": "R", "customers": ["1"], "name": "Jane"},
            400,
            "invalid-request",
        ),
        ({}, OFFICER, b" " * 200_000, 413, "body-too-large"),
    ],
)
async def test_a_refusal_says_why_and_erases_nothing(
    headers: dict[str, str], email: str, body: object, status: int, kind: str
) -> None:
    office = await Office().filled()
    response = await office.post(body, email, headers)
    assert response.status_code == status
    assert response.media_type == "application/problem+json" and body_of(response)["type"].endswith("/" + kind)
    assert await office.residue(ERASED[0]) > 0 and set(office.documents.collections) == {PROMISES.name}


async def test_a_retailer_sees_only_its_own_requests() -> None:
    office = await Office().filled()
    told = body_of(await office.post())
    for url in (told["status_url"], told["receipt_url"]):
        assert (await office.get(url, OTHER_OFFICER)).status_code == 404
        assert (await office.get(url, STRANGER)).status_code == 404
        assert (await office.get(url)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/erasures/..", "/v1/erasures/" + "a" * 32 + "/more", "/x/v1/erasures/a"]
)
async def test_other_paths_hold_nothing(path: str) -> None:
    assert (await Office().get(path)).status_code == 404


async def test_other_methods_do_nothing() -> None:
    office = Office()
    assert (await office.get("/v1/erasures")).status_code == 405
    response = await answer(
        ask("DELETE", "/v1/erasures/" + "a" * 32, headers=bearer(OFFICER)), office.room, lambda: NOW
    )
    assert response.status_code == 405


async def test_expired_rows_that_no_reader_shows_are_erased_too() -> None:
    office = Office()
    shopper = PSEUDONYM(ERASED[0])
    old = NOW - timedelta(days=4000)
    key = row_key("demo", shopper, old, "event-old")
    await office.events.write([HotEvent(key, "browsing_395d", milliseconds(old), b"{}")])
    assert body_of(await office.post())["status"] == "complete"
    assert office.events.rows == {}
    assert await office.rows.read("demo", shopper) == ShopperRow()


async def test_the_first_error_of_a_store_is_what_is_raised() -> None:
    office = await Office().filled()
    office.events.down = True
    with pytest.raises(Unavailable):
        await office.post()
