"""The shelf of trained models, and reading in bulk: in memory and on BigQuery's emulator alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from layers.declarations.settings import Settings
from layers.facts import PRODUCTS as CATALOGUE
from layers.facts import TRAINED_MODELS
from layers.learning import CHURN, TrainedModel, TrainedModels
from layers.learning.calibration import Calibration
from layers.learning.logistic import Logistic
from layers.learning.trained import Member
from layers.stores.bigquery import trained
from layers.stores.bigquery.rows import BigQueryRows
from layers.stores.bigquery.trained import KEPT, BigQueryShelf, FakeShelf, Shelf
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from tests.contracts.datasets import make_dataset

PROJECT = "shelf-tests"
MONDAY = datetime(2026, 11, 16, 4, 45, tzinfo=UTC)


def models(week: int) -> TrainedModels:
    many = len(CHURN.names)
    member = Member(Logistic((0.0,) * many, (1.0,) * many, (0.1 * week,) * (2 * many), -1.0))
    model = TrainedModel(CHURN.name, CHURN.names, (member,), Calibration(1.5, 0.1 * week), {"auc": 0.7 + week / 100})
    return TrainedModels(f"v{week}", MONDAY + week * timedelta(days=7), "2026-11-16", {CHURN.name: model})


@pytest.fixture
def emulator(bigquery_emulator: tuple[str, str]) -> tuple[Settings, str]:
    rest, storage = bigquery_emulator
    found = {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    return Settings(found), make_dataset(rest, PROJECT)


@pytest.fixture(params=["fake", pytest.param("emulator", marks=pytest.mark.emulators)])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Shelf, str]]:
    if request.param == "fake":
        yield FakeShelf(), "retailer_x"
        return
    values, dataset = request.getfixturevalue("emulator")
    facts = BigQueryFacts.of(values)
    yield BigQueryShelf(BigQueryWarehouse.of(values), facts), dataset
    await facts.close()


async def test_the_newest_whole_training_is_in_use(shelf: tuple[Shelf, str], monkeypatch: pytest.MonkeyPatch) -> None:
    kept, dataset = shelf
    monkeypatch.setattr(trained, "PART", 400)
    assert await asyncio.to_thread(kept.newest, dataset) is None
    for week in (2, 1, 3):
        await kept.put(dataset, models(week))
        await kept.put(dataset, models(week))
    newest = await asyncio.to_thread(kept.newest, dataset)
    assert newest is not None
    assert newest.encode() == models(3).encode()
    versions = await asyncio.to_thread(kept.versions, dataset)
    assert [version.name for version in versions] == ["v3", "v2", "v1"]
    assert versions[0].figures == {"churn": {"auc": 0.73}}
    assert await asyncio.to_thread(kept.drop, dataset, "v3")
    assert not await asyncio.to_thread(kept.drop, dataset, "v3")
    newest = await asyncio.to_thread(kept.newest, dataset)
    assert newest is not None and newest.version == "v2"


async def test_a_few_versions_are_kept(shelf: tuple[Shelf, str]) -> None:
    kept, dataset = shelf
    for week in range(1, KEPT + 2):
        await kept.put(dataset, models(week))
    versions = await asyncio.to_thread(kept.versions, dataset)
    assert [version.name for version in versions] == [f"v{week}" for week in range(KEPT + 1, 1, -1)]


@pytest.mark.emulators
async def test_a_training_that_was_killed_half_way_is_not_in_use_and_can_be_put_again(
    emulator: tuple[Settings, str],
) -> None:
    values, dataset = emulator
    facts = BigQueryFacts.of(values)
    shelf = BigQueryShelf(BigQueryWarehouse.of(values), facts)
    await shelf.put(dataset, models(1))
    half: dict[str, Sequence[str | int | datetime]] = {
        "version": ["v2"],
        "trained_at": [MONDAY + timedelta(days=14)],
        "trained_until": ["x"],
    }
    await facts.append(dataset, TRAINED_MODELS, {**half, "part": [0], "parts": [2], "text": ["{"], "figures": ["{}"]})
    newest = await asyncio.to_thread(shelf.newest, dataset)
    assert newest is not None and newest.version == "v1"
    await shelf.put(dataset, models(2))
    newest = await asyncio.to_thread(shelf.newest, dataset)
    assert newest is not None and newest.encode() == models(2).encode()
    await facts.close()


@pytest.mark.emulators
def test_rows_come_in_bulk_by_columns_and_restriction(emulator: tuple[Settings, str]) -> None:
    values, dataset = emulator
    rows = [{"product": f"p{number}", "category": None if number % 2 else "milk"} for number in range(3000)]
    BigQueryWarehouse.of(values).replace(dataset, CATALOGUE, rows)
    reader = BigQueryRows.of(values)
    found = [row for batch in reader.batches(dataset, "products", ["product"]) for row in batch.to_pylist()]
    assert sorted(row["product"] for row in found) == sorted(str(row["product"]) for row in rows)
    assert set(found[0]) == {"product"}
    some = reader.batches(dataset, "products", ["product", "category"], "category = 'milk'")
    assert sum(batch.num_rows for batch in some) == 1500
    with pytest.raises(LookupError, match="have not run yet"):
        list(reader.batches(dataset, "product_features", ["shopper"]))
