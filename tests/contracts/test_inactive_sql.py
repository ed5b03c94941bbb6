"""Three years after the last activity, in SQL: BigQuery's emulator and the fake of the handlers' tests agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from functions.retention_purge.rules import INACTIVE_DAYS, inactive_sql
from layers.facts import TABLES
from layers.stores.bigquery.port import Warehouse
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from tests.contracts.datasets import make_dataset
from tests.handlers.cold_facts import ColdFacts

pytestmark = pytest.mark.emulators

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
SINCE = NOW - timedelta(days=INACTIVE_DAYS)
ANNE, BERT, CARL = ("01" + letter * 32 for letter in "abc")
BY_NAME = {table.name: table for table in TABLES}
ROWS = [
    ("orders", ANNE, 1500),
    ("orders", ANNE, 1200),
    ("page_views", ANNE, 3),
    ("orders", BERT, 1200),
    ("consents", BERT, 3),
    ("orders", CARL, INACTIVE_DAYS),
    ("orders", CARL, 1500),
]


def test_an_order_goes_when_its_shopper_did_nothing_since(bigquery_emulator: tuple[str, str]) -> None:
    dataset = make_dataset(bigquery_emulator[0], "contract")
    options = ClientOptions(api_endpoint=f"http://{bigquery_emulator[0]}")
    real = BigQueryWarehouse(bigquery.Client("contract", AnonymousCredentials(), client_options=options))
    fake = ColdFacts(dataset, TABLES)
    for number, (name, shopper, days) in enumerate(ROWS):
        table, at = BY_NAME[name], NOW - timedelta(days=days)
        fake.tables[dataset, table.stored_as].append({"shopper": shopper, "at": at})
        real.execute(
            f"INSERT INTO `contract.{dataset}.{table.stored_as}` (event_id, position, shopper, `at`) "
            "VALUES (@id, 0, @shopper, @at)",
            {"id": f"event-{number}", "shopper": shopper, "at": at},
        )
    said: list[Any] = [_said(store, dataset) for store in (real, fake)]
    assert said[0] == said[1] == [1, 1, 0, 4]


def _said(store: Warehouse, dataset: str) -> list[int]:
    full, bound = store.full_name(dataset), {"since": SINCE}
    count, orders = "SELECT COUNT(*) AS found", BY_NAME["orders"]
    return [
        int(store.query(inactive_sql(count, full, orders, TABLES), bound)[0]["found"]),
        store.execute(inactive_sql("DELETE", full, orders, TABLES), bound),
        int(store.query(inactive_sql(count, full, orders, TABLES), bound)[0]["found"]),
        int(store.query(f"{count} FROM `{full}.{orders.stored_as}`")[0]["found"]),
    ]
