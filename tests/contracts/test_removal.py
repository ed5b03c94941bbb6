"""Erasure and retention against the stores themselves: the same statements, the same numbers, the same resumption."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from functions.consent_erasure import handler as erasure
from functions.consent_erasure.room import Room as ErasureRoom
from functions.consent_erasure.room import declared_steps
from functions.consent_erasure.rules import binding, count_sql, delete_sql
from functions.retention_purge import handler as purge
from functions.retention_purge import rules as purge_rules
from functions.retention_purge import suppressed
from functions.retention_purge.room import Room as PurgeRoom
from layers.declarations.settings import Settings
from layers.events.model import Event, OrderLine, OrderPaid, PageViewed
from layers.events.record import encode_record, milliseconds, row_key
from layers.facts import TABLES, Table
from layers.facts.derived import PURCHASES, TRIPS
from layers.privacy.keyring import KeyRing
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.suppression import suppression_id
from layers.retailers import Registry, Retailer, family
from layers.signing.fake import FakeSigner
from layers.stores.apart import ApartDocuments
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigtable.arrivals import BigtableArrivals
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.port import Arrival, HotEvent
from layers.stores.bigtable.shoppers import BigtableShopperRows
from layers.stores.collections import QUARANTINE
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.documents import FirestoreDocuments
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Document
from layers.stores.pubsub.fake import FakeDeadLetters, FakePublisher
from tests.handlers.asking import ask
from tests.handlers.cold_facts import ColdFacts

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
KEY = base64.b64encode(bytes(range(32))).decode()
OFFICER = "officer@contract.example"
TABLE = next(table for table in TABLES if table.name == "page_views")


@pytest.fixture
def shop() -> Retailer:
    return Retailer(
        id=f"r{uuid.uuid4().hex[:12]}",
        name="Contract",
        write_key="w" * 16,
        read_key="r" * 16,
        origins=(),
        compliance=(OFFICER,),
    )


@pytest.fixture
def warehouse(bigquery_emulator: tuple[str, str], shop: Retailer) -> BigQueryWarehouse:
    """The retailer's dataset with every table, as infra declares them."""
    options = ClientOptions(api_endpoint=f"http://{bigquery_emulator[0]}")
    client = bigquery.Client("contract", AnonymousCredentials(), client_options=options)
    client.create_dataset(shop.dataset)
    for table in TABLES:
        fields = [bigquery.SchemaField(c.name, c.type.value) for c in table.columns]
        client.create_table(bigquery.Table(f"contract.{shop.dataset}.{table.stored_as}", fields))
    return BigQueryWarehouse(client)


def fill(warehouse: Warehouse, shop: Retailer, table: Table, rows: Sequence[tuple[str, datetime]]) -> None:
    full = f"{warehouse.full_name(shop.dataset)}.{table.stored_as}"
    for number, (shopper, at) in enumerate(rows):
        warehouse.execute(
            f"INSERT INTO `{full}` (event_id, position, shopper, `at`) VALUES (@id, 0, @shopper, @at)",
            {"id": f"event-{number:04d}", "shopper": shopper, "at": at},
        )


@pytest.mark.emulators
def test_bigquery_and_the_fake_tell_the_same_rows_of_the_erased(warehouse: BigQueryWarehouse, shop: Retailer) -> None:
    anne, bert, carl = ("01" + letter * 32 for letter in "abc")
    since = NOW.replace(microsecond=123456)
    tick = timedelta(milliseconds=1)
    moments = (since.replace(microsecond=123000), since.replace(microsecond=123000) + tick, since - timedelta(days=400))
    rows = [(shopper, at) for shopper in (anne, bert, carl) for at in moments]
    fill(warehouse, shop, TABLE, rows)
    fake = ColdFacts(shop.dataset, TABLES)
    fake.tables[shop.dataset, TABLE.stored_as] = [{"shopper": shopper, "at": at} for shopper, at in rows]
    documents = [
        Document(suppression_id(shop.id, anne), {"since": since}, None),
        Document(suppression_id(shop.id, bert), {"since": since - timedelta(days=1)}, None),
        Document(suppression_id("another", carl), {"since": since}, None),
    ]
    [bound] = suppressed.Erased(shop.id, documents).bindings()
    for store in (warehouse, fake):
        full = store.full_name(shop.dataset)
        assert store.query(suppressed.count_sql(full, TABLE), bound) == [{"found": 3}]
        assert store.execute(suppressed.delete_sql(full, TABLE), bound) == 3
        assert store.query(suppressed.count_sql(full, TABLE), bound) == [{"found": 0}]
        assert store.query(purge_rules.kept_sql(full, TABLE))[0]["kept"] == 6


@pytest.mark.emulators
@pytest.mark.parametrize("table", [PURCHASES, TRIPS], ids=["by day", "by run"])
def test_what_models_derive_goes_by_its_own_date(warehouse: BigQueryWarehouse, shop: Retailer, table: Table) -> None:
    anne, bert = ("01" + letter * 32 for letter in "ab")
    fields = [bigquery.SchemaField(c.name, c.type.value) for c in (table.columns[0], table.dated)]
    assert table.stored_as not in warehouse.names(shop.dataset)
    warehouse._client.create_table(bigquery.Table(f"contract.{shop.dataset}.{table.stored_as}", fields))
    assert table.stored_as in warehouse.names(shop.dataset)
    fake = ColdFacts(shop.dataset, [table])
    rows: list[dict[str, Any]] = []
    for who in (anne, bert):
        for days in (0, 1, 5, 400):
            at: Any = NOW - timedelta(days=days)
            rows.append({"shopper": who, table.timed_by: at.date() if table.timed_by == "day" else at})
            full = f"{warehouse.full_name(shop.dataset)}.{table.stored_as}"
            text = f"{table.dated.type.value} '{rows[-1][table.timed_by]}'"
            warehouse.execute(f"INSERT INTO `{full}` (shopper, `{table.timed_by}`) VALUES ('{who}', {text})")
    fake.tables[shop.dataset, table.stored_as] = rows
    since = NOW - timedelta(days=1)
    [bound] = suppressed.Erased(shop.id, [Document(suppression_id(shop.id, anne), {"since": since}, None)]).bindings()
    edge = {"cutoff": NOW - timedelta(days=5)}
    said: list[list[Any]] = []
    for store in (warehouse, fake):
        full = store.full_name(shop.dataset)
        said.append(
            [
                store.query(purge_rules.count_sql(full, table), edge),
                store.query(purge_rules.kept_sql(full, table)),
                store.execute(suppressed.delete_sql(full, table), bound),
                store.query(suppressed.count_sql(full, table), bound),
                store.execute(purge_rules.delete_sql(full, table), edge),
                store.query(purge_rules.kept_sql(full, table)),
            ]
        )
    assert said[0] == said[1]
    # A day began up to fourteen hours before it began in UTC, so the fifth day goes whole; a run has its moment.
    by_day = table.timed_by == "day"
    assert said[0][0] == [{"found": 4 if by_day else 2}]
    assert (said[0][2], said[0][3]) == (3, [{"found": 0}])
    assert (said[0][4], said[0][5][0]["kept"]) == ((2, 3) if by_day else (1, 4))


@pytest.mark.emulators
def test_bigquery_and_the_fake_understand_the_same_statements(warehouse: BigQueryWarehouse, shop: Retailer) -> None:
    rows = [("01" + letter * 32, NOW - timedelta(days=days)) for letter in "abc" for days in (1, 10, 100)]
    fill(warehouse, shop, TABLE, rows)
    fake = ColdFacts(shop.dataset, TABLES)
    fake.tables[shop.dataset, TABLE.stored_as] = [{"shopper": shopper, "at": at} for shopper, at in rows]
    said: list[list[Any]] = []
    for store in (warehouse, fake):
        full = store.full_name(shop.dataset)
        shoppers = binding(shop.id, ("01" + "a" * 32, "01" + "z" * 32))
        edge = {"cutoff": NOW - timedelta(days=10)}
        said.append(
            [
                store.query(count_sql(full, TABLE), shoppers),
                store.execute(delete_sql(full, TABLE), shoppers),
                store.query(count_sql(full, TABLE), shoppers),
                store.query(purge_rules.count_sql(full, TABLE), edge),
                store.execute(purge_rules.delete_sql(full, TABLE), edge),
                store.query(purge_rules.kept_sql(full, TABLE)),
                store.execute(purge_rules.delete_sql(full, TABLE), {"cutoff": NOW}),
                store.query(purge_rules.kept_sql(full, TABLE)),
            ]
        )
    assert said[0] == said[1]
    assert said[0][:3] == [[{"found": 3}], 3, [{"found": 0}]]
    assert said[0][3:6] == [[{"found": 2}], 2, [{"kept": 4, "oldest": NOW - timedelta(days=10)}]]


async def _at_once(_seconds: float) -> None:
    """Nobody waits in a test."""


class World:
    """Both functions' rooms over the emulators."""

    def __init__(self, shop: Retailer, hot: Settings, documents: FirestoreDocuments, warehouse: Warehouse) -> None:
        self.shop, self.documents, self.warehouse = shop, documents, warehouse
        self.events, self.rows = BigtableHotEvents.of(hot), BigtableShopperRows.of(hot)
        self.arrivals = BigtableArrivals.of(hot)
        registry = Registry([shop])
        stores = (documents, self.events, self.arrivals, self.rows, warehouse)
        self.topic, self.signer = FakePublisher(), FakeSigner()
        sweep = DeadLetterSweep(FakeDeadLetters([]), documents, registry.by_id)
        apart = ApartDocuments(FakeDocuments("rewards"), registry.by_id)
        self.erasure = ErasureRoom(
            registry,
            {shop.id: KeyRing({1: KEY})},
            declared_steps(registry),
            *stores,
            self.topic,
            sweep,
            self.signer,
            apart,
            _at_once,
        )
        self.purge = PurgeRoom(registry, *stores, sweep, apart)

    async def write(self, shopper: str, events: Sequence[Event]) -> None:
        written = [
            HotEvent(
                row_key(self.shop.id, shopper, event.at, event.id),
                family(event.retention, self.shop.contract.days(event.retention)),
                milliseconds(event.at),
                encode_record(shopper, "s", "web", NOW, msgspec.json.encode(event)),
            )
            for event in events
        ]
        await self.events.write(written)
        await self.arrivals.note([Arrival(self.shop.id, events[-1].at, [each.key for each in written])])
        await self.rows.write_parameters(self.shop.id, [(shopper, b"{}")], 1)
        await self.rows.swap_state(self.shop.id, shopper, None, b"{}")

    async def ask_erasure(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        claims = base64.urlsafe_b64encode(json.dumps({"email": OFFICER}).encode()).decode().rstrip("=")
        headers = {"authorization": f"Bearer e30.{claims}.x", "content-type": "application/json"}
        asked = ask(method, path, json.dumps(body).encode(), headers)
        response = await erasure.answer(asked, self.erasure, lambda: NOW)
        found: dict[str, Any] = {"http": response.status_code, **json.loads(bytes(response.body))}
        return found


@pytest.fixture
async def world(
    shop: Retailer,
    bigtable_settings: Settings,
    firestore_emulator: str,
    warehouse: BigQueryWarehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    # The official client reads its emulator's address from the process's environment and from nowhere else.
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    values = Settings({"GONDOLA_DATABASE_DEFAULT": f"projects/contract/databases/{shop.id}"})
    return World(shop, bigtable_settings, FirestoreDocuments.of(values), warehouse)


@pytest.mark.emulators
async def test_an_erasure_stops_is_resumed_and_leaves_nothing(world: World) -> None:
    customers, pseudonym = ["900", "901", "902"], Pseudonymiser(KEY)
    for customer in customers:
        shopper = pseudonym(customer)
        views = [PageViewed(id=f"view-{n:05d}", at=NOW - timedelta(minutes=n), page="/") for n in range(50)]
        await world.write(shopper, views)
        fill(world.warehouse, world.shop, TABLE, [(shopper, NOW)] * 2)
    body = {"retailer": world.shop.id, "reference": "R-1", "customers": customers[:2]}

    down = ColdFacts(world.shop.dataset, TABLES)
    down.down = True
    sound, world.erasure = world.erasure, replace(world.erasure, warehouse=down)
    with pytest.raises(Exception, match="down"):
        await world.ask_erasure("POST", "/v1/erasures", body)
    world.erasure = sound
    told = await world.ask_erasure("POST", "/v1/erasures", body)
    assert (told["http"], told["status"]) == (202, "complete")
    assert await world.ask_erasure("POST", "/v1/erasures", body) == told
    receipt = await world.ask_erasure("GET", told["receipt_url"])
    numbers = {s["store"]: (s["found"], s["deleted"], s["remaining"]) for s in receipt["stores"]}
    assert numbers["bigtable:events"] == (100, 100, 0) and numbers["bigtable:shoppers"] == (2, 2, 0)
    assert numbers["bigtable:arrivals"] == (2, 2, 0)
    assert numbers[f"bigquery:{TABLE.stored_as}"] == (4, 4, 0)
    cold = next(s for s in receipt["stores"] if s["store"] == f"bigquery:{TABLE.stored_as}")
    assert len(cold["jobs"]) == 1 and all(":" in job for job in (*cold["jobs"], cold["verified_by"]))
    status = await world.ask_erasure("GET", told["status_url"])
    assert status["requested"] == "2026-11-22T02:15:00.000Z" == status["finished"]
    left = [key async for key in world.events.keys(world.shop.id)]
    assert len(left) == 50 and all(pseudonym("902").encode() in key for key in left)
    assert len([key async for key in world.arrivals.keys(world.shop.id)]) == 1
    assert [key async for key in world.rows.keys(world.shop.id)] == [f"{world.shop.id}#{pseudonym('902')}".encode()]


@pytest.mark.emulators
async def test_a_purge_removes_thousands_while_it_reads_and_proves_it(world: World) -> None:
    anne, bert, old = "01" + "a" * 32, "01" + "b" * 32, NOW - timedelta(days=396)
    await world.write(anne, [PageViewed(id=f"view-{n:05d}", at=old, page="/") for n in range(5000)])
    order = OrderPaid(id="order-one", at=old, order="o", total=1, lines=(OrderLine("p", 1),))
    await world.write(anne, [order])
    await world.write(bert, [PageViewed(id="view-bert", at=old, page="/")])
    fill(world.warehouse, world.shop, TABLE, [(anne, old), (anne, NOW)])
    await world.documents.put(QUARANTINE, "old", {"at": NOW - timedelta(days=91), "retailer": world.shop.id})

    async def fire(query: str = "") -> dict[str, Any]:
        asked = ask("POST", "/", headers={"x-cloudscheduler-scheduletime": NOW.isoformat()}, query=query)
        response = await purge.answer(asked, world.purge, NOW)
        assert response.status_code == 200
        parts = [part for report in json.loads(bytes(response.body))["reports"] for part in report["parts"]]
        return {part["store"]: (part["removed"], part["kept"], part["expired"]) for part in parts}

    dry = await fire("dry_run=true")
    wet = await fire()
    for store, (removed, kept) in {
        "bigtable:events/browsing_395d": (5001, 0),
        "bigtable:events/transactions_1095d": (0, 1),
        "bigtable:shoppers": (1, 1),
        f"bigquery:{TABLE.stored_as}": (1, 1),
        "firestore:quarantine": (1, 0),
    }.items():
        assert dry[store] == (removed, kept, removed) and wet[store] == (removed, kept, 0), store
    assert [key async for key in world.events.keys(world.shop.id)] == [row_key(world.shop.id, anne, old, "order-one")]
    assert (await fire())["bigtable:events/browsing_395d"] == (5001, 0, 0), "the same run tells the same"
