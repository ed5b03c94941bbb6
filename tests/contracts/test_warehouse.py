"""What SQL through the warehouse does, on the emulator; and that a warehouse which is down says so soon."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import GoogleAPICallError

from layers.declarations.settings import Settings
from layers.facts import FACTS, PRODUCTS, ColumnType
from layers.stores.bigquery.port import Unavailable, Value
from layers.stores.bigquery.warehouse import BigQueryWarehouse, bound
from layers.stores.bigquery.writer import BigQueryFacts

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def warehouse(bigquery_emulator: tuple[str, str]) -> BigQueryWarehouse:
    return BigQueryWarehouse.of(Settings({"GONDOLA_PROJECT": "sql", "BIGQUERY_EMULATOR_HOST": bigquery_emulator[0]}))


@pytest.fixture
def dataset(warehouse: BigQueryWarehouse) -> str:
    name = f"ds_{uuid.uuid4().hex[:12]}"
    warehouse.execute(f"CREATE SCHEMA `{name}`")
    warehouse.execute(f"CREATE TABLE `sql.{name}.visits` (shopper STRING, `at` TIMESTAMP, amount FLOAT64)")
    for shopper, hours in (("anne", 0), ("anne", 1), ("bert", 2)):
        warehouse.execute(
            f"INSERT INTO `sql.{name}.visits` (shopper, `at`, amount) VALUES (@shopper, @at, @amount)",
            {"shopper": shopper, "at": AT + timedelta(hours=hours), "amount": 1.5},
        )
    return name


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address where nobody answers, kept from being given to anybody else."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.emulators
def test_values_are_bound_never_pasted(warehouse: BigQueryWarehouse, dataset: str) -> None:
    sql = f"SELECT COUNT(*) AS n FROM `sql.{dataset}.visits` AS v WHERE v.shopper = @who"
    assert warehouse.query(sql, {"who": "' OR TRUE OR '"}) == [{"n": 0}]
    assert warehouse.query(sql, {"who": "anne"}) == [{"n": 2}]


@pytest.mark.emulators
def test_every_kind_of_parameter(warehouse: BigQueryWarehouse, dataset: str) -> None:
    sql = f"""SELECT v.shopper, v.`at`, @flag AS flag, @number AS number FROM `sql.{dataset}.visits` AS v
        WHERE v.shopper IN UNNEST(@who) AND v.`at` >= @since AND v.amount > @amount ORDER BY v.`at`"""
    found = warehouse.query(
        sql, {"who": ["anne", "bert"], "since": AT + timedelta(hours=1), "amount": 0.5, "flag": True, "number": 7}
    )
    assert found == [
        {"shopper": "anne", "at": AT + timedelta(hours=1), "flag": True, "number": 7},
        {"shopper": "bert", "at": AT + timedelta(hours=2), "flag": True, "number": 7},
    ]


def test_a_parameter_without_a_type_is_refused() -> None:
    with pytest.raises(TypeError, match="who"):
        bound({"who": None})  # type: ignore[dict-item]


@pytest.mark.emulators
def test_a_shoppers_rows_are_deleted_and_counted(warehouse: BigQueryWarehouse, dataset: str) -> None:
    sql = f"DELETE FROM `sql.{dataset}.visits` WHERE shopper IN UNNEST(@shoppers)"
    assert warehouse.execute(sql, {"shoppers": ["anne"]}) == 2
    assert warehouse.execute(sql, {"shoppers": ["anne"]}) == 0
    assert warehouse.query(f"SELECT v.shopper FROM `sql.{dataset}.visits` AS v") == [{"shopper": "bert"}]


@pytest.mark.emulators
def test_replace_leaves_only_the_new_rows(warehouse: BigQueryWarehouse, dataset: str) -> None:
    sql = f"SELECT p.product, p.brand, p.category FROM `sql.{dataset}.products` AS p ORDER BY p.product"
    warehouse.replace(dataset, PRODUCTS, [{"product": f"p{n:04d}", "brand": "b"} for n in range(1500)])
    assert len(warehouse.query(sql)) == 1500
    given = [{"product": "p1", "brand": 'Côte "d\'Or"\n'}, {"product": "p2", "category": "milk"}]
    warehouse.replace(dataset, PRODUCTS, given)
    warehouse.replace(dataset, PRODUCTS, given)
    assert warehouse.query(sql) == [
        {"product": "p1", "brand": 'Côte "d\'Or"\n', "category": None},
        {"product": "p2", "brand": None, "category": "milk"},
    ]
    warehouse.replace(dataset, PRODUCTS, [])
    assert warehouse.query(sql) == []


@pytest.mark.emulators
def test_pages_hold_every_row_once(warehouse: BigQueryWarehouse) -> None:
    pages = list(warehouse.pages("SELECT n FROM UNNEST(GENERATE_ARRAY(1, 25)) AS n", page_size=10))
    assert all(len(page) <= 10 for page in pages)
    assert sorted(row["n"] for page in pages for row in page) == list(range(1, 26))


@pytest.mark.emulators
def test_a_wrong_statement_raises_rather_than_finding_nothing(warehouse: BigQueryWarehouse, dataset: str) -> None:
    with pytest.raises(GoogleAPICallError):
        warehouse.query(f"SELECT v.nothing FROM `sql.{dataset}.visits` AS v")
    with pytest.raises(GoogleAPICallError):
        warehouse.query(f"SELECT 1 AS n FROM `sql.{dataset}.nowhere` AS v")


def test_a_warehouse_that_is_down_says_so(closed_port: str) -> None:
    values = Settings({"GONDOLA_PROJECT": "sql", "BIGQUERY_EMULATOR_HOST": closed_port})
    warehouse = BigQueryWarehouse.of(values, patience_s=0.3)
    with pytest.raises(Unavailable):
        warehouse.query("SELECT 1 AS n")
    with pytest.raises(Unavailable):
        warehouse.replace("ds", PRODUCTS, [{"product": "p1"}])


async def test_a_writer_that_reaches_nobody_says_so(closed_port: str) -> None:
    facts = BigQueryFacts.of(Settings({"GONDOLA_PROJECT": "sql", "BIGQUERY_STORAGE_EMULATOR_HOST": closed_port}))
    table = next(table for table in FACTS if table.name == "order_statuses")
    columns: dict[str, list[Value]] = {c.name: ["x" if c.type is ColumnType.STRING else None] for c in table.columns}
    columns |= {"position": [0], "at": [AT], "received": [AT]}
    with pytest.raises(Unavailable):
        await facts.append("ds", table, columns)
    await facts.close()
