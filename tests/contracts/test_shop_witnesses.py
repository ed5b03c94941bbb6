"""The demo's own eyes: what they must see in each store, else a promise that is broken would look kept."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import grpc
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from emulators.shop.audit import Audit
from emulators.shop.bucket import upload
from emulators.shop.cold import Cold
from emulators.shop.documents import document, every_document, holds
from emulators.shop.hot import (
    census,
    parameters_by_shopper,
    record_lines,
    rows_with,
    shoppers_with_parameters,
    stored_ids,
)
from layers.declarations.settings import Settings
from layers.events.record import encode_record, milliseconds, row_key
from layers.facts import FACTS
from layers.retailers import Feed, Retailer, RetentionClass, family
from layers.stores.bigquery.port import Columns
from layers.stores.bigquery.writer import BigQueryFacts
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.port import HotEvent
from layers.stores.bigtable.shoppers import BigtableShopperRows
from tests.contracts.datasets import make_dataset

pytestmark = pytest.mark.emulators

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANNE, BERT = "01" + "a" * 32, "01" + "b" * 32


def line(shopper: str, event: str) -> bytes:
    body = f'{{"type":"PageViewed","id":"{event}","at":"2026-11-20T12:00:00Z","page":"/"}}'
    return encode_record(shopper, "session-1", "web", AT, body.encode())


def hot_event(retailer: Retailer, shopper: str, event: str, at: datetime = AT, text: bytes = b"") -> HotEvent:
    days = retailer.contract.days(RetentionClass.BROWSING)
    key = row_key(retailer.id, shopper, at, event)
    return HotEvent(key, family(RetentionClass.BROWSING, days), milliseconds(at), text or line(shopper, event))


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


def test_hot_rows_are_counted_and_searched_as_they_lie(bigtable_settings: Settings, retailer: Retailer) -> None:
    old = AT - timedelta(days=10)
    hidden = f"hidden-{retailer.id}".encode()

    async def write() -> None:
        events = BigtableHotEvents.of(bigtable_settings)
        stored = [
            hot_event(retailer, ANNE, "event-01"),
            hot_event(retailer, ANNE, "event-02", old),
            hot_event(retailer, BERT, "event-03", text=b"..." + hidden + b"..."),
        ]
        assert all(await events.write(stored))
        rows = BigtableShopperRows.of(bigtable_settings)
        await rows.write_parameters(retailer.id, [(ANNE, b"{}")], 1)
        assert await rows.swap_state(retailer.id, BERT, None, b"{}")

    run(write)
    assert stored_ids(bigtable_settings, retailer.id) == {"event-01", "event-02", "event-03"}
    assert shoppers_with_parameters(bigtable_settings, retailer.id) == 1
    assert shoppers_with_parameters(bigtable_settings, retailer.id, datetime.fromtimestamp(0.001, UTC)) == 1
    assert shoppers_with_parameters(bigtable_settings, retailer.id, datetime.fromtimestamp(0.002, UTC)) == 0
    assert line(ANNE, "event-01") in record_lines(bigtable_settings, retailer.id)
    assert parameters_by_shopper(bigtable_settings, retailer.id) == [(ANNE, b"{}")]
    mine = f"{retailer.id}#{ANNE}".encode()
    assert (rows_with(bigtable_settings, "events", mine), rows_with(bigtable_settings, "shoppers", mine)) == (2, 1)
    assert rows_with(bigtable_settings, "events", hidden) == 1, "a cell is searched as well as a key"
    assert rows_with(bigtable_settings, "events", b"nowhere-" + hidden) == 0
    days = timedelta(days=retailer.contract.browsing)
    assert census(bigtable_settings, retailer, AT + days) == (3, 1)
    assert census(bigtable_settings, retailer, AT + days + timedelta(seconds=1)) == (3, 3)


async def test_cold_rows_are_counted_once_and_searched_as_they_lie(
    bigquery_emulator: tuple[str, str], retailer: Retailer
) -> None:
    rest, storage = bigquery_emulator
    values = Settings(
        {"GONDOLA_PROJECT": "eyes", "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    )
    await asyncio.to_thread(make_dataset, rest, "eyes", retailer.dataset)
    views = next(table for table in FACTS if table.name == "page_views")
    columns: Columns = {
        "event_id": ["event-01", "event-01", "event-02"],
        "position": [0, 0, 0],
        "shopper": [ANNE, ANNE, BERT],
        "session": ["s", "s", "s"],
        "channel": ["web", "web", "web"],
        "at": [AT, AT, AT - timedelta(days=10)],
        "received": [AT, AT, AT],
        "type": ["PageViewed"] * 3,
        "page": ["/", "/", f"/of/{ANNE}"],
    }
    await BigQueryFacts.of(values).append(retailer.dataset, views, columns)
    cold = Cold(values, retailer)

    def look() -> None:
        assert (cold.so_far(views), cold.count("page_views"), cold.events_so_far()) == (3, 2, 3)
        assert cold.event_ids() == {"event-01", "event-02"}
        assert cold.rows_with(ANNE) == {"cooled_page_views": 3}, "a pseudonym in any text is found"
        assert cold.rows_with("01" + "c" * 32) == {}
        days = timedelta(days=retailer.contract.browsing)
        assert cold.beyond_contract(AT + days) == 1
        assert cold.beyond_contract(AT - timedelta(days=20) + days) == 0

    await asyncio.to_thread(look)


def test_what_is_dispatched_is_heard_once_and_only_of_its_retailer(pubsub_emulator: str) -> None:
    topic = "projects/eyes/topics/shopper-events"
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(pubsub_emulator)))
    publisher.create_topic(name=topic)
    values = Settings({"PUBSUB_EMULATOR_HOST": pubsub_emulator, "GONDOLA_TOPIC_SHOPPER_EVENTS": topic})

    def publish(retailer: str, *lines: bytes) -> None:
        publisher.publish(topic=topic, messages=[{"data": b"\n".join(lines), "attributes": {"retailer": retailer}}])

    with Audit(values, "demo") as audit:
        publish("other", line(ANNE, "event-09"))
        publish("demo", line(ANNE, "event-01"), line(ANNE, "event-02"), b"no record")
        publish("demo", line(ANNE, "event-02"), line(BERT, "event-03"))
        give_up = time.monotonic() + 30
        while len(audit.ids) < 3 and time.monotonic() < give_up:
            time.sleep(0.05)
        assert audit.ids == {"event-01", "event-02", "event-03"}
        assert audit.corrupt == 1
    with Audit(values, "demo") as again:
        assert again.ids == set(), "a second story begins with a subscription of its own"


def test_every_document_of_both_databases_is_seen(
    firestore_emulator: str, monkeypatch: pytest.MonkeyPatch, retailer: Retailer
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    project = f"eyes-{retailer.id}"
    for database in ("(default)", "rewards"):
        client = firestore.Client(project=project, database=database, credentials=AnonymousCredentials())
        reference = client.collection("erasures").document(f"one-{database.strip('()')}")
        reference.set({"list": [{"inside": f"x{ANNE}x"}]})
        reference.collection("below").document("two").set({"customer": "900"})
    values = Settings(
        {
            "GONDOLA_DATABASE_DEFAULT": f"projects/{project}/databases/(default)",
            "GONDOLA_DATABASE_REWARDS": f"projects/{project}/databases/rewards",
        }
    )
    found = dict(every_document(values))
    assert found.keys() == {
        "(default)/erasures/one-default",
        "(default)/erasures/one-default/below/two",
        "rewards/erasures/one-rewards",
        "rewards/erasures/one-rewards/below/two",
    }
    assert all(holds(content, ANNE, "900") for content in found.values())
    assert document(values, "erasures", "one-default") == found["(default)/erasures/one-default"]
    assert document(values, "erasures", "one-rewards") is None, "that one is in the other database"


def test_files_lie_in_the_bucket_as_they_were_given(s3_server: str) -> None:
    values = Settings({"AWS_ENDPOINT_URL_S3": s3_server})
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    client.create_bucket(Bucket="eyes-deliveries")
    files = [(f"orders/{n}.ndjson.gz", gzip.compress(b"x" * n)) for n in range(40)]
    stored: list[int] = []
    feed = Feed(bucket="eyes-deliveries", region="us-east-1")
    assert upload(values, feed, iter(files), stored.append) == 40
    assert stored == sorted(stored) and stored[-1] == 40
    lying = {
        item["Key"]: client.get_object(Bucket="eyes-deliveries", Key=item["Key"])["Body"].read()
        for item in client.list_objects_v2(Bucket="eyes-deliveries")["Contents"]
    }
    assert lying == dict(files)
