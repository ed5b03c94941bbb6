"""A pseudonym key is rotated under running functions: what was refused stays refused, and what is erased is erased of
both pseudonyms. Through the functions' own entrances, on fakes and on Bigtable's emulator."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from functions.consent_erasure.handler import answer as ask_office
from functions.consent_erasure.room import Room as OfficeRoom
from functions.consent_erasure.room import declared_steps
from functions.decisioning.handler import answer as decide
from functions.decisioning.room import Room as DecisioningRoom
from functions.experiences.handler import answer as ask_page
from functions.experiences.room import Room as PageRoom
from functions.experiences.rules import Door as PageDoor
from functions.ingest.bringing import AGAIN_AFTER_S, Bringing
from functions.ingest.commit import GroupCommit
from functions.ingest.handler import answer as send
from functions.ingest.room import Room as IngestRoom
from functions.ingest.rules import Door
from layers.campaigns.known import KnownCampaigns
from layers.declarations.settings import Settings
from layers.events.record import decode_record
from layers.facts import EVERYWHERE
from layers.privacy.keyring import KeyRing
from layers.retailers import PseudonymKey, Registry, Retailer
from layers.shell.push import encode_push
from layers.signing.fake import FakeSigner
from layers.stores.apart import ApartDocuments
from layers.stores.bigtable.arrivals import BigtableArrivals
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.bigtable.port import Arrivals, HotEvents, ShopperRow, ShopperRows
from layers.stores.bigtable.shoppers import BigtableShopperRows
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakeDeadLetters, FakePublisher
from layers.stores.suppressions import LiveSuppressions
from layers.tree.decision import Decision, decode_decision
from layers.tree.live import PublishedTrees, publish
from layers.tree.parameters import encode_parameters
from tests.handlers.asking import ask
from tests.handlers.cold_facts import ColdFacts
from tests.handlers.test_rights import Cold
from tests.handlers.visiting import EXAMPLE, TREE
from tests.rules.journeys import PARAMETERS

KEYS = {version: base64.b64encode(bytes(range(version, version + 32))).decode() for version in (1, 2)}
FIRST = (PseudonymKey(1),)
PREPARED = (PseudonymKey(1), PseudonymKey(2))
ROTATED = (PseudonymKey(1), PseudonymKey(2, since=date(2026, 11, 22)))
PSEUDONYMS = KeyRing(KEYS)
CUSTOMER, OFFICER = "9250001234567", "officer@shop.example"
OLD, NEW = PSEUDONYMS.every(CUSTOMER)


class Town:
    """All functions that know a customer, over the same stores, at some stage of the rotation."""

    def __init__(self, retailer: Retailer, hot: HotEvents, journal: Arrivals, rows: ShopperRows) -> None:
        self.id, self.plain = retailer.id, msgspec.structs.replace(retailer, compliance=(OFFICER,))
        self.hot, self.journal, self.rows = hot, journal, rows
        self.documents, self.topic, self.decisions = FakeDocuments(), FakePublisher(), FakePublisher()
        self.facts = ColdFacts(retailer.dataset, EVERYWHERE)
        self.now, self.clock, self.sent = datetime.now(UTC) - timedelta(hours=1), 0.0, 0
        self.suppressions = LiveSuppressions(self.documents, time.monotonic, fresh_s=0)
        self.deploy(FIRST)

    def deploy(self, keys: tuple[PseudonymKey, ...]) -> None:
        self.retailer = msgspec.structs.replace(self.plain, pseudonym_keys=keys)
        registry, versions = Registry([self.retailer]), [key.version for key in keys]
        ring = KeyRing({version: KEYS[version] for version in versions}, self.retailer.writing_key)
        commit = GroupCommit(self.hot, self.journal, self.rows, self.topic, 0)
        erased = partial(self.suppressions.erased_at, self.id)
        door = Door(self.retailer, ring.current, erased, ring.others, ring.former)
        self.bringing = Bringing(self.rows, commit, lambda: self.clock)
        self.ingest = IngestRoom(
            registry, {self.id: door}, {self.id: bytes(32)}, commit, self.suppressions, self.bringing
        )
        trees = PublishedTrees(self.documents, time.monotonic)
        self.decisioning = DecisioningRoom(
            registry,
            self.hot,
            self.rows,
            self.documents,
            trees,
            self.decisions,
            self.suppressions,
            KnownCampaigns(self.documents, time.monotonic),
        )
        self.page = PageRoom(
            registry,
            {self.id: ring},
            {self.id: PageDoor(bytes(32), required=False)},
            self.hot,
            self.rows,
            trees,
            self.suppressions,
            30,
        )
        self.office = OfficeRoom(
            registry,
            {self.id: ring},
            declared_steps(registry),
            self.documents,
            self.hot,
            self.journal,
            self.rows,
            self.facts,
            self.topic,
            DeadLetterSweep(FakeDeadLetters([]), self.documents, registry.by_id),
            FakeSigner(),
            ApartDocuments(FakeDocuments("rewards"), registry.by_id),
            settled_s=0,
        )

    async def send(self, *events: dict[str, Any], customer: str = CUSTOMER, expected: int = 204) -> dict[str, Any]:
        """As the tracker does; then Pub/Sub delivers to decisioning."""
        await self.suppressions.fresh()
        self.now += timedelta(seconds=1)
        sent = []
        for event in events:
            self.sent += 1
            sent.append({"id": f"event-{self.sent:04d}", "at": self.now.isoformat(), **event})
        envelope = {"shopper": customer, "session": "session-1", "channel": "web", "events": sent}
        headers, query = {"content-type": "application/json"}, f"key={self.retailer.write_key}"
        response = await send(
            ask("POST", "/v1/events", json.dumps(envelope).encode(), headers, query), self.ingest, self.now
        )
        assert response.status_code == expected, bytes(response.body)
        for message in self.topic.messages:
            body = encode_push(
                message.data, dict(message.attributes), "message-1", self.now, "projects/p/subscriptions/s"
            )
            assert (await decide(ask("POST", "/", body), self.decisioning, self.now)).status_code == 204
        self.topic.messages.clear()
        return {} if response.status_code == 204 else dict(json.loads(bytes(response.body)))

    async def agrees(self, personalisation: bool, **more: Any) -> None:
        purposes = {"measurement": True, "personalisation": personalisation, "advertising": False, "rewards": False}
        await self.send({"type": "ConsentChanged", "purposes": purposes}, **more)

    async def adds(self, **more: Any) -> dict[str, Any]:
        return await self.send({"type": "AddedToBasket", "product": "usual0", "quantity": 1, "price": 10.0}, **more)

    async def sees(self, customer: str = CUSTOMER, after: bool = False) -> dict[str, Any]:
        await self.suppressions.fresh()
        query = f"key={self.retailer.read_key}" + (f"&after=event-{self.sent:04d}" if after else "")
        asked = ask("GET", "/v1/experiences", headers={"gondola-shopper": customer}, query=query)
        found: dict[str, Any] = json.loads(bytes((await ask_page(asked, self.page, self.now)).body))
        return found

    async def scored(self, shopper: str = OLD) -> None:
        made = msgspec.structs.replace(PARAMETERS, computed_at=self.now)
        await self.rows.write_parameters(
            self.id, [(shopper, encode_parameters(made))], int(self.now.timestamp() * 1000)
        )

    async def asks(self, path: str, room: OfficeRoom | None = None, **body: Any) -> dict[str, Any]:
        claims = base64.urlsafe_b64encode(json.dumps({"email": OFFICER}).encode()).decode().rstrip("=")
        headers = {"authorization": f"Bearer e30.{claims}.x", "content-type": "application/json"}
        data = json.dumps({"retailer": self.id, **body}).encode()
        self.now += timedelta(seconds=1)
        response = await ask_office(ask("POST", path, data, headers), room or self.office, lambda: self.now)
        pieces: Any = getattr(response, "body_iterator", None)
        text = bytes(response.body) if pieces is None else b"".join([piece async for piece in pieces])
        return {"http": response.status_code, **json.loads(text)}

    async def erase(self, customer: str = CUSTOMER, reference: str = "R-1") -> dict[str, Any]:
        return await self.asks("/v1/erasures", reference=reference, customers=[customer])

    async def events_of(self, shopper: str) -> list[str]:
        lines = [line async for page in self.hot.history(self.retailer, shopper, now=self.now) for line in page]
        assert all(decode_record(line).shopper == shopper for line in lines)
        return sorted(decode_record(line).event.id for line in lines)

    async def left_of(self, *shoppers: str) -> int:
        """Rows, places of the journal and facts."""
        left = await self.journal.count_shoppers(self.id, shoppers)
        left += sum(row["shopper"] in shoppers for rows in self.facts.tables.values() for row in rows)
        for shopper in shoppers:
            left += await self.hot.count_shopper(self.id, shopper)
            left += await self.rows.read(self.id, shopper) != ShopperRow()
        return left

    def decided(self) -> list[Decision]:
        return [decode_decision(line) for message in self.decisions.messages for line in message.data.split(b"\n")]


@pytest.fixture(params=["fake", pytest.param("bigtable", marks=pytest.mark.emulators)])
async def town(retailer: Retailer, request: pytest.FixtureRequest) -> Town:
    if request.param == "fake":
        made = Town(retailer, FakeHotEvents(), FakeArrivals(), FakeShopperRows())
    else:
        values: Settings = request.getfixturevalue("bigtable_settings")
        made = Town(retailer, BigtableHotEvents.of(values), BigtableArrivals.of(values), BigtableShopperRows.of(values))
    await publish(made.documents, retailer.id, TREE, EXAMPLE.read_text())
    return made


async def test_who_comes_back_is_known_as_far_as_what_they_agreed_to_goes(town: Town) -> None:
    await town.agrees(True)
    await town.scored()
    await town.adds()
    town.deploy(PREPARED)
    town.deploy(ROTATED)
    shown = await town.sees()
    assert not shown["default"] and shown["parameters_version"] == PARAMETERS.version, "before the first event, too"
    await town.adds()
    assert await town.events_of(OLD) == ["event-0001", "event-0002"], "history stays where it is"
    assert await town.events_of(NEW) == ["event-0001", "event-0003"], "the consent is brought along, as the same event"
    row = await town.rows.read(town.id, NEW)
    assert row.parameters is not None and row.consent is not None and decode_record(row.consent).shopper == NEW
    assert {d.shopper: d.parameters_version for d in town.decided()} == dict.fromkeys((OLD, NEW), PARAMETERS.version)
    shown = await town.sees(after=True)
    assert (shown["default"], shown["after"]["counted"], shown["decision"]) == (False, True, "event-0003")
    named = [key async for _, keys in town.journal.of_shopper(town.id, NEW) for key in keys]
    assert len(named) == 2, "reconciliation finds the consent that was brought along"


async def test_a_refusal_never_becomes_a_grant(town: Town) -> None:
    await town.agrees(True)
    await town.scored()
    await town.agrees(False)
    town.deploy(PREPARED)
    town.deploy(ROTATED)
    assert (await town.sees())["reason"] == "consent"
    await town.adds()
    assert (await town.sees(after=True))["reason"] == "consent"
    assert (await town.rows.read(town.id, NEW)).parameters is None
    assert all("refused" in d.reason for d in town.decided() if d.shopper == NEW)


async def test_a_withdrawal_holds_under_both_and_is_given_from_the_day_of_preparation(town: Town) -> None:
    town.deploy(PREPARED)
    await town.agrees(True)
    assert await town.events_of(OLD) == await town.events_of(NEW) == ["event-0001"]
    town.deploy(ROTATED)
    await town.agrees(False)
    for shopper in (OLD, NEW):
        consent = (await town.rows.read(town.id, shopper)).consent
        assert consent is not None and decode_record(consent).event.id == "event-0002", "scoring goes by it under both"


async def test_a_consent_from_before_an_erasure_or_beyond_its_contract_is_not_brought(town: Town) -> None:
    await town.agrees(True)
    await town.scored()
    await town.erase()
    town.deploy(ROTATED)
    await town.adds()
    assert (await town.rows.read(town.id, NEW)) == replace(
        ShopperRow(), state=(await town.rows.read(town.id, NEW)).state
    )
    await town.agrees(True, customer="77")
    town.deploy(FIRST)
    await town.agrees(True, customer="78")
    town.deploy(ROTATED)
    town.now += timedelta(days=town.retailer.contract.consent + 1)
    await town.adds(customer="78")
    assert await town.hot.count_shopper(town.id, PSEUDONYMS.every("78")[1]) == 1, "what readers do not see, too"


async def test_what_of_the_erased_lies_under_the_former_key_again_is_neither_brought_nor_shown(town: Town) -> None:
    """A backup was restored: the erasure emptied the row, and knew key 1 alone."""
    await town.agrees(True)
    await town.scored()
    row = await town.rows.read(town.id, OLD)
    assert row.consent is not None and row.parameters is not None
    await town.erase()
    await town.rows.write_consent(town.id, OLD, 1, row.consent)
    await town.rows.write_parameters(town.id, [(OLD, row.parameters)], 1)
    town.deploy(ROTATED)
    shown = await town.sees()
    assert (shown["reason"], shown["parameters_version"]) == ("consent", "")
    await town.adds()
    new = await town.rows.read(town.id, NEW)
    assert (new.consent, new.parameters) == (None, None)
    assert await town.hot.count_shopper(town.id, NEW) == 1
    page = await town.sees(after=True)
    assert page["reason"] == "consent"


async def test_a_newer_refusal_under_the_new_key_alone_is_not_undone_by_an_older_grant(town: Town) -> None:
    await town.agrees(True)
    await town.scored()
    town.deploy(PREPARED)
    await town.agrees(False)
    granted = [r for r in await town.hot.consents(town.retailer, OLD, now=town.now) if r.event.id == "event-0001"]
    await town.rows.delete_shopper(town.id, OLD)
    await town.rows.write_consent(town.id, OLD, 1, msgspec.json.encode(granted[0]))
    await town.scored()
    town.deploy(ROTATED)
    await town.adds()
    new = await town.rows.read(town.id, NEW)
    assert new.parameters is None and new.consent is not None and decode_record(new.consent).event.id == "event-0002"
    assert (await town.sees())["reason"] == "consent"
    assert "event-0001" not in await town.events_of(NEW)


async def test_who_was_erased_under_the_former_key_alone_is_refused_under_the_new_one(town: Town) -> None:
    await town.adds()
    before = town.now
    await town.erase()
    for keys in (PREPARED, ROTATED):
        town.deploy(keys)
        refused = await town.send({"type": "PageViewed", "page": "/", "at": before.isoformat()}, expected=400)
        assert "erasure" in json.dumps(refused)
    assert await town.left_of(OLD, NEW) == 0


async def test_an_erasure_reaches_both_and_a_suppression_holds_for_both(town: Town) -> None:
    await town.agrees(True)
    await town.scored()
    await town.adds()
    town.deploy(PREPARED)
    town.deploy(ROTATED)
    await town.adds()
    for shopper in (OLD, NEW):
        town.facts.tables[town.retailer.dataset, "cooled_page_views"].append({"shopper": shopper})
    assert await town.left_of(OLD) and await town.left_of(NEW)
    before = town.now
    told = await town.erase()
    assert told["status"] == "complete" and await town.left_of(OLD, NEW) == 0
    late = {"type": "PageViewed", "page": "/", "at": before.isoformat()}
    await town.send(late, expected=400)
    town.deploy(FIRST)
    await town.send(late, expected=400)
    town.deploy(ROTATED)
    await town.adds()
    assert await town.left_of(OLD) == 0 and await town.events_of(NEW) == [f"event-{town.sent:04d}"], "a new shopper"
    assert (await town.sees())["reason"] == "consent"


async def test_an_erasure_that_was_begun_before_the_rotation_goes_on_after_it(town: Town) -> None:
    await town.adds()
    town.facts.down = True
    with pytest.raises(Exception, match="down"):
        await town.erase()
    town.deploy(ROTATED)
    await town.adds()
    assert await town.left_of(NEW)
    town.facts.down = False
    told = await town.erase()
    assert (told["http"], told["status"]) == (202, "complete")
    assert await town.left_of(OLD) == 0
    again = await town.erase(customer="77")
    assert again["http"] == 409, "another customer under this reference is still found out"


async def test_access_shows_both_and_an_objection_is_recorded_under_both(town: Town) -> None:
    await town.agrees(True)
    await town.adds()
    first = await town.asks("/v1/objections", reference="O-1", customer=CUSTOMER)
    town.deploy(ROTATED)
    await town.adds()
    reader = replace(town.office, warehouse=Cold(town.id))
    told = await town.asks("/v1/access", reader, reference="A-1", customer=CUSTOMER)
    assert (told["pseudonym"], told["other_pseudonyms"], told["complete"]) == (NEW, [OLD], True)
    events = next(store for store in told["stores"] if store["store"] == "bigtable:events")["records"]
    assert [record["event"]["id"] for record in events] == [
        "event-0003",
        first["id"],
        first["id"],
        "event-0002",
        "event-0001",
    ]
    again = await town.asks("/v1/objections", reference="O-1", customer=CUSTOMER)
    assert {name: again[name] for name in ("id", "since", "purposes", "in_force")} == {
        name: first[name] for name in ("id", "since", "purposes", "in_force")
    }
    await town.agrees(True)
    second = await town.asks("/v1/objections", reference="O-2", customer=CUSTOMER)
    assert second["in_force"]
    for shopper in (OLD, NEW):
        row = await town.rows.read(town.id, shopper)
        assert row.consent is not None and decode_record(row.consent).event.id == second["id"]
        assert (row.parameters, row.state) == (None, None)


async def test_a_receipt_made_under_the_former_key_is_still_told(town: Town) -> None:
    await town.adds()
    await town.erase()
    town.deploy(ROTATED)
    reader = replace(town.office, warehouse=Cold(town.id))
    told = await town.asks("/v1/access", reader, reference="A-1", customer=CUSTOMER)
    receipts = next(store for store in told["stores"] if store["store"] == "firestore:receipts")["records"]
    assert [receipt["number"] for receipt in receipts] == [1]


async def test_parameters_are_brought_again_until_the_new_pseudonym_has_its_own(town: Town) -> None:
    await town.agrees(True)
    await town.scored()
    town.deploy(ROTATED)
    await town.adds()
    later = int(town.now.timestamp() * 1000) + 1
    await town.rows.delete_parameters(town.id, [OLD, NEW], 0, later)
    await town.scored()
    await town.adds()
    assert (await town.rows.read(town.id, NEW)).parameters is None, "looked up a moment ago"
    town.clock += AGAIN_AFTER_S
    await town.adds()
    brought = (await town.rows.read(town.id, NEW)).parameters
    assert brought is not None and brought == (await town.rows.read(town.id, OLD)).parameters
    town.clock += AGAIN_AFTER_S
    await town.scored(NEW)
    own = (await town.rows.read(town.id, NEW)).parameters
    town.now += timedelta(seconds=1)
    await town.scored(OLD)
    await town.adds()
    assert (await town.rows.read(town.id, NEW)).parameters == own


async def test_nothing_is_taken_while_it_cannot_be_read_what_was_agreed_to(retailer: Retailer) -> None:
    hot, journal, rows = FakeHotEvents(), FakeArrivals(), FakeShopperRows()
    town = Town(retailer, hot, journal, rows)
    await town.agrees(True)
    town.deploy(ROTATED)
    for store in (rows, hot, journal):
        store.down = True
        refused = await town.adds(expected=503)
        assert "former pseudonym" in refused["detail"]
        store.down = False
        assert await town.events_of(NEW) == []
    await town.adds()
    assert await town.events_of(NEW) == ["event-0001", f"event-{town.sent:04d}"]
