"""What every writer of facts promises: durable, at least once, and counted once through the view."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from layers.declarations.settings import Settings
from layers.facts import DECISIONS, FACTS, Table
from layers.stores.bigquery.port import Columns, FactWriter, RowsRefused, Value
from tests.contracts.datasets import make_dataset

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
BY_NAME = {table.name: table for table in FACTS}
PROJECT = "contract"
SAMPLES: dict[str, Value] = {"STRING": "x", "INT64": 3, "FLOAT64": 0.25, "NUMERIC": 3.49, "BOOL": True, "TIMESTAMP": AT}


@dataclass
class Cold:
    """A writer, and what the views then show."""

    facts: FactWriter
    dataset: str
    counted: Callable[[Table], list[dict[str, Any]]]


@pytest.fixture
def dataset(bigquery_emulator: tuple[str, str]) -> str:
    return make_dataset(bigquery_emulator[0], PROJECT)


@pytest.fixture(params=["fake", pytest.param("bigquery", marks=pytest.mark.emulators)])
async def cold(request: pytest.FixtureRequest) -> AsyncIterator[Cold]:
    if request.param == "fake":
        from layers.stores.bigquery.fake import FakeFacts

        fake = FakeFacts()
        yield Cold(fake, "shop", lambda table: fake.counted("shop", table))
        return
    from layers.stores.bigquery.warehouse import BigQueryWarehouse
    from layers.stores.bigquery.writer import BigQueryFacts

    rest, storage = request.getfixturevalue("bigquery_emulator")
    name = request.getfixturevalue("dataset")
    values = Settings(
        {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    )
    warehouse, facts = BigQueryWarehouse.of(values), BigQueryFacts.of(values)
    yield Cold(facts, name, lambda table: warehouse.query(f"SELECT * FROM `{PROJECT}.{name}.{table.name}` AS t"))
    await facts.close()


def rows(table: Table, ids: list[str], **others: Value) -> Columns:
    """One row an id, every column filled."""
    sample: dict[str, Value] = {c.name: SAMPLES[c.type] for c in table.columns} | {"position": 0} | others
    return {name: [value] * len(ids) for name, value in sample.items()} | {"event_id": ids}


async def test_every_table_gives_back_what_it_took(cold: Cold) -> None:
    for table in (*FACTS, DECISIONS):
        await cold.facts.append(cold.dataset, table, rows(table, ["event-one"]))
        (found,) = cold.counted(table)
        expected = {c.name: SAMPLES[c.type] for c in table.columns} | {"position": 0, "event_id": "event-one"}
        expected |= {c.name: Decimal("3.49") for c in table.columns if c.type == "NUMERIC"}
        assert found == expected


async def test_a_row_appended_twice_counts_once(cold: Cold) -> None:
    table = BY_NAME["orders"]
    for _ in range(2):
        await cold.facts.append(cold.dataset, table, rows(table, ["event-one", "event-two"]))
    assert sorted(row["event_id"] for row in cold.counted(table)) == ["event-one", "event-two"]


async def test_an_optional_column_that_is_missing_is_null(cold: Cold) -> None:
    table = BY_NAME["order_lines"]
    given = rows(table, ["event-one", "event-two"])
    await cold.facts.append(
        cold.dataset,
        table,
        {name: values for name, values in given.items() if name != "discount"} | {"quantity": [None, 2]},
    )
    found = sorted(cold.counted(table), key=lambda row: str(row["event_id"]))
    assert [(row["quantity"], row["discount"]) for row in found] == [(None, None), (Decimal(2), None)]


async def test_the_largest_revision_of_a_decision_wins_whatever_came_last(cold: Cold) -> None:
    for revision in (1, 3, 2):
        given = rows(DECISIONS, ["event-one"], revision=revision, node_after=f"node{revision}")
        await cold.facts.append(cold.dataset, DECISIONS, given)
    assert [row["node_after"] for row in cold.counted(DECISIONS)] == ["node3"]


async def test_null_in_a_required_column_is_refused_and_its_place_named(cold: Cold) -> None:
    table = BY_NAME["orders"]
    given = dict(rows(table, ["event-one", "event-two"]), order_id=["o1", None])
    with pytest.raises(RowsRefused, match=r"orders\.order_id") as refused:
        await cold.facts.append(cold.dataset, table, given)
    assert refused.value.rows == (1,)
    assert cold.counted(table) == []


@pytest.mark.parametrize("wrong", ["secret@example.org", float("nan"), float("inf"), 1e30])
async def test_a_value_of_another_type_is_refused_without_being_quoted(cold: Cold, wrong: Value) -> None:
    table = BY_NAME["orders"]
    given = dict(rows(table, ["event-one", "event-two", "event-three"]), total=[1.5, wrong, 2.5])
    with pytest.raises(RowsRefused, match=r"orders\.total") as refused:
        await cold.facts.append(cold.dataset, table, given)
    assert refused.value.rows == (1,)
    assert str(wrong) not in str(refused.value)


async def test_a_column_that_no_table_has_is_refused(cold: Cold) -> None:
    table = BY_NAME["orders"]
    with pytest.raises(RowsRefused, match="email"):
        await cold.facts.append(cold.dataset, table, dict(rows(table, ["event-one"]), email=["x"]))


async def test_appends_at_the_same_time_all_count(cold: Cold) -> None:
    tables = (BY_NAME["orders"], BY_NAME["order_lines"], BY_NAME["searches"])
    await asyncio.gather(
        *(
            cold.facts.append(cold.dataset, table, rows(table, [f"event-{call:03d}-{n}" for n in range(20)]))
            for call in range(30)
            for table in tables
        )
    )
    assert [len(cold.counted(table)) for table in tables] == [600] * 3


async def test_one_callers_bad_rows_never_cost_anothers(cold: Cold) -> None:
    table = BY_NAME["orders"]
    bad = dict(rows(table, ["event-bad"]), order_id=[None])
    results = await asyncio.gather(
        cold.facts.append(cold.dataset, table, rows(table, ["event-one"])),
        cold.facts.append(cold.dataset, table, bad),
        cold.facts.append(cold.dataset, table, rows(table, ["event-two"])),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), RowsRefused, type(None)]
    assert sorted(row["event_id"] for row in cold.counted(table)) == ["event-one", "event-two"]


async def test_no_rows_are_no_work(cold: Cold) -> None:
    table = BY_NAME["orders"]
    await cold.facts.append(cold.dataset, table, rows(table, []))
    assert cold.counted(table) == []
