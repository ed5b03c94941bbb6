"""Access and objection against the stores themselves: what was really stored is told, each once, of one shopper."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.responses import Response, StreamingResponse

from functions.consent_erasure.handler import answer
from functions.consent_erasure.room import Room, declared_steps
from functions.cooling.rules import cool
from layers.declarations.settings import Settings
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, PageViewed, Purposes, Searched
from layers.events.record import Record, decode_record, encode_record, milliseconds, row_key
from layers.facts import DECISIONS, TABLES
from layers.privacy.keyring import KeyRing
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.suppression import suppression_id
from layers.retailers import Registry, Retailer, family
from layers.signing.fake import FakeSigner
from layers.stores.apart import ApartDocuments
from layers.stores.bigquery.port import Columns
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from layers.stores.bigtable.arrivals import BigtableArrivals
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.port import HotEvent
from layers.stores.bigtable.shoppers import BigtableShopperRows
from layers.stores.collections import RECEIPTS, SUPPRESSIONS
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.documents import FirestoreDocuments
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.keeping import Keeping
from layers.stores.pubsub.fake import FakeDeadLetters, FakePublisher
from layers.tree.parameters import ShopperParameters, encode_parameters
from tests.contracts.datasets import make_dataset
from tests.handlers.asking import ask

pytestmark = pytest.mark.emulators

PROJECT = "rights"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()
OFFICER = "officer@contract.example"
ANNE, BERT = "900-anne", "901-bert"
VIEWS = 1300


def events_of(customer: str) -> list[Event]:
    """Enough pages for several reads of each store, and one of what else there is."""
    return [
        *(
            PageViewed(id=f"view-{customer[-4:]}-{n:05d}", at=NOW - timedelta(minutes=n), page="/")
            for n in range(VIEWS)
        ),
        Searched(id=f"search-{customer[-4:]}", at=NOW - timedelta(days=2), query="oat milk"),
        OrderPaid(
            id=f"order-{customer[-4:]}",
            at=NOW - timedelta(days=3),
            order="o-1",
            total=3.5,
            lines=(OrderLine("p1", 1.25), OrderLine("p2", 2.25)),
        ),
        ConsentChanged(
            id=f"consent-{customer[-4:]}",
            at=NOW - timedelta(days=9),
            purposes=Purposes(measurement=True, personalisation=True),
        ),
    ]


class World:
    """The function's room over the emulators, with two shoppers in every store."""

    def __init__(self, shop: Retailer, room: Room, facts: BigQueryFacts) -> None:
        self.shop, self.room, self.facts, self.topic = shop, room, facts, room.topic
        self.pseudonym = Pseudonymiser(KEY)

    async def fill(self, customer: str) -> None:
        shopper, events = self.pseudonym(customer), events_of(customer)
        hot = [
            HotEvent(
                row_key(self.shop.id, shopper, event.at, event.id),
                family(event.retention, self.shop.contract.days(event.retention)),
                milliseconds(event.at),
                encode_record(shopper, "s", "app", event.at, msgspec.json.encode(event)),
            )
            for event in events
        ]
        keeping = Keeping(self.room.arrivals, self.room.hot_events, self.room.shopper_rows, FakePublisher())
        assert all(await keeping.keep(NOW, [(self.shop.id, hot)]))
        computed = ShopperParameters(
            version="v1", computed_at=NOW, usual_basket=40, threshold=50, generosity=1.0, trips=1
        )
        await self.room.shopper_rows.write_parameters(self.shop.id, [(shopper, encode_parameters(computed))], 1)
        records = [Record(shopper=shopper, session="s", channel="app", received=e.at, event=e) for e in events]
        decision: Columns = {
            "event_id": [f"search-{customer[-4:]}"],
            "position": [0],
            "shopper": [shopper],
            "session": ["s"],
            "channel": ["app"],
            "at": [NOW - timedelta(days=2)],
            "received": [NOW],
            "revision": [1],
            "tree": ["t"],
            "tree_version": ["1"],
            "node_before": ["root"],
            "node_after": ["ready"],
            "reason": ['[{"node":"ready","rule":"when","condition":"basket.total > 1"}]'],
            "shown": ["[]"],
            "propensity": [1.0],
        }
        for _ in range(2):  # delivery is at least once
            for cooled in cool(records):
                await self.facts.append(self.shop.dataset, cooled.table, cooled.columns)
            await self.facts.append(self.shop.dataset, DECISIONS, decision)

    async def post(self, path: str, customer: str) -> Response:
        body = {"retailer": self.shop.id, "reference": "A-1", "customer": customer}
        claims = base64.urlsafe_b64encode(json.dumps({"email": OFFICER}).encode()).decode().rstrip("=")
        headers = {"authorization": f"Bearer e30.{claims}.x", "content-type": "application/json"}
        return await answer(ask("POST", path, json.dumps(body).encode(), headers), self.room, lambda: NOW)

    async def access(self, customer: str) -> dict[str, list[dict[str, Any]]]:
        response = await self.post("/v1/access", customer)
        assert isinstance(response, StreamingResponse)
        whole = json.loads(b"".join([bytes(piece) async for piece in response.body_iterator]))  # type: ignore[arg-type]
        assert whole["complete"] is True
        return {section["store"]: section["records"] for section in whole["stores"]}


@pytest.fixture
async def world(
    bigtable_settings: Settings,
    firestore_emulator: str,
    bigquery_emulator: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    # The official client reads its emulator's address from the process's environment and from nowhere else.
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    shop = Retailer(
        id=f"r{uuid.uuid4().hex[:12]}",
        name="Contract",
        write_key="w" * 16,
        read_key="r" * 16,
        origins=(),
        compliance=(OFFICER,),
    )
    rest, storage = bigquery_emulator
    make_dataset(rest, PROJECT, shop.dataset)
    values = Settings(
        {
            "GONDOLA_PROJECT": PROJECT,
            "BIGQUERY_EMULATOR_HOST": rest,
            "BIGQUERY_STORAGE_EMULATOR_HOST": storage,
            "GONDOLA_DATABASE_DEFAULT": f"projects/contract/databases/{shop.id}",
        }
    )
    registry, documents = Registry([shop]), FirestoreDocuments.of(values)
    room = Room(
        registry,
        {shop.id: KeyRing({1: KEY})},
        declared_steps(registry),
        documents,
        BigtableHotEvents.of(bigtable_settings),
        BigtableArrivals.of(bigtable_settings),
        BigtableShopperRows.of(bigtable_settings),
        BigQueryWarehouse.of(values),
        FakePublisher(),
        DeadLetterSweep(FakeDeadLetters([]), documents, registry.by_id),
        FakeSigner(),
        ApartDocuments(FakeDocuments("rewards"), registry.by_id),
    )
    return World(shop, room, BigQueryFacts.of(values))


async def test_a_package_holds_what_the_stores_hold_of_one_shopper_each_once(world: World) -> None:
    for customer in (ANNE, BERT):
        await world.fill(customer)
    await world.facts.close()
    ids = [event.id for event in events_of(ANNE)]
    records = await world.access(ANNE)
    assert [record["event"]["id"] for record in records["bigtable:events"]] == ids
    assert sorted(record["id"] for record in records["bigtable:arrivals"]) == sorted(ids)
    assert [record["part"] for record in records["bigtable:shoppers"]] == ["parameters", "consent"]
    pages = [record["event_id"] for record in records["bigquery:cooled_page_views"]]
    assert pages == ids[:VIEWS][::-1], "each once, in the order of time"
    assert [line["paid"] for line in records["bigquery:cooled_order_lines"]] == [1.25, 2.25]
    (consent,) = records["bigquery:cooled_consents"]
    assert (consent["personalisation"], consent["channel"]) == (True, "app")
    (decision,) = records["bigquery:cooled_decisions"]
    assert decision["why"] == ["Moved to «ready», because this held: basket.total > 1."]
    assert "bert" not in json.dumps(records)
    unknown = await world.access("902-nobody")
    assert list(unknown) == list(records) and not any(unknown.values())
    assert set(records) >= {f"bigquery:{table.stored_as}" for table in TABLES if table.holds_shoppers}

    shopper = world.pseudonym(ANNE)
    await world.room.documents.put(
        RECEIPTS, f"{world.shop.id}:1", {"retailer": world.shop.id, "finished": NOW, "text": "of another"}
    )
    until = NOW - timedelta(minutes=10)
    suppressed = {"retailer": world.shop.id, "since": until, "noted": until}
    await world.room.documents.put(SUPPRESSIONS, suppression_id(world.shop.id, shopper), suppressed)
    records = await world.access(ANNE)
    assert [record["event"]["id"] for record in records["bigtable:events"]] == ids[:10]
    assert [record["event_id"] for record in records["bigquery:cooled_page_views"]] == ids[:10][::-1]
    assert len(records["bigtable:arrivals"]) == 10 and records["bigquery:cooled_orders"] == []
    assert len(records["firestore:suppressions"]) == 1 and records["firestore:receipts"] == []


async def test_an_objection_is_stored_as_an_event_and_the_profile_is_gone(world: World) -> None:
    for customer in (ANNE, BERT):
        await world.fill(customer)
    await world.facts.close()
    first = await world.post("/v1/objections", ANNE)
    told = json.loads(bytes(first.body))
    assert (first.status_code, told["in_force"]) == (202, True)
    again = await world.post("/v1/objections", ANNE)
    assert json.loads(bytes(again.body)) == told
    row = await world.room.shopper_rows.read(world.shop.id, world.pseudonym(ANNE))
    assert row.parameters is None and row.consent is not None
    event = decode_record(row.consent).event
    assert isinstance(event, ConsentChanged) and event.id == told["id"]
    assert event.purposes == Purposes(measurement=True)
    other = await world.room.shopper_rows.read(world.shop.id, world.pseudonym(BERT))
    assert other.parameters is not None
    records = await world.access(ANNE)
    assert [r["event"]["id"] for r in records["bigtable:events"]].count(told["id"]) == 1
    assert {r["id"] for r in records["bigtable:arrivals"]} == {event.id for event in events_of(ANNE)} | {told["id"]}
