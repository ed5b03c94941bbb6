"""Reading a shard for trained models on the emulator: the statement, the restriction, and what Arrow brings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from functions.cooling.rules import cool
from functions.scoring.predicting import TABLES, Outdated
from functions.scoring.predictor import LATE_CONSENTS, choose, pages
from functions.scoring.recounting import NotTold, recounted
from layers.campaigns.model import HouseRules
from layers.declarations.settings import Settings
from layers.events.model import ConsentChanged, Purposes
from layers.events.record import Record
from layers.facts import TRAINED_MODELS
from layers.learning import QUESTIONS, Question
from layers.offers.considering import Outcome
from layers.offers.model import Setting
from layers.offers.written import write_setting
from layers.retailers import AbsentConsent
from layers.scoring_runs import settings
from layers.scoring_runs.ledger import Ledger, Plan
from layers.scoring_runs.shards import Shard
from layers.stores.bigquery.rows import BigQueryRows
from layers.stores.bigquery.trained import FakeShelf
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from layers.stores.firestore.fake import FakeDocuments
from tests.contracts.datasets import make_dataset
from tests.handlers.test_scoring_learned import models
from tests.handlers.test_scoring_offers import WHEEL, milk

pytestmark = pytest.mark.emulators

PROJECT = "scoring-by-models"
RUN = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
DAY = date(2026, 11, 22)
SHOPPERS = [f"01{digit}{'0' * 31}" for digit in "0379cf"]
WITHDREW = f"01f8{'0' * 30}"
"""After the tables were built."""


@dataclass
class Reading:
    """As much of scoring's room as reading takes."""

    warehouse: Any
    table_rows: Any
    trained: Any


def _features(question: Question, shopper: str, day: date) -> str:
    things = [f"'{key}-{day.day}' AS {key}" for key in question.keys[1:]]
    places = [f"'x' AS {name}" for name in ("category", "department", "brand")] if "product" in question.keys else []
    columns = [
        f"CAST({'NULL' if place == 1 else 3} AS {'INT64' if feature.whole else 'FLOAT64'}) AS {feature.name}"
        for place, feature in enumerate(question.features)
    ]
    purpose = "score" if day == DAY else "train"
    head = f"SELECT DATE '{day}' AS as_of, '{purpose}' AS purpose, '{shopper}' AS shopper"
    return ", ".join([head, *things, *places, *columns])


async def _consents(values: Settings, dataset: str) -> None:
    """One withdrawn since the tables were built, and one of so long ago that the tables know what came of it."""
    facts = BigQueryFacts.of(values)
    for shopper, at in ((WITHDREW, RUN + timedelta(hours=1)), (SHOPPERS[0], RUN - LATE_CONSENTS - timedelta(days=1))):
        event = ConsentChanged(id=f"c{shopper}", at=at, purposes=Purposes())
        for cooled in cool([Record(shopper=shopper, session="s", channel="web", received=at, event=event)]):
            await facts.append(dataset, cooled.table, cooled.columns)
    await facts.close()


@pytest.fixture(scope="module")
def place(bigquery_emulator: tuple[str, str]) -> tuple[Any, Any]:
    rest, storage = bigquery_emulator
    found = {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    dataset = make_dataset(rest, PROJECT)
    warehouse = BigQueryWarehouse.of(Settings(found))
    full = warehouse.full_name(dataset)
    days = (DAY, DAY - timedelta(days=28))
    numbers = ", ".join(f"{n}.5 AS q{n}" for n in (10, 25, 50, 60, 75, 90))
    rows = [
        f"SELECT DATE '{day}' AS as_of, '{'score' if day == DAY else 'train'}' AS purpose, '{shopper}' AS shopper,"
        f" 12 AS trips, 6 AS trips_28, {numbers}, CAST(NULL AS FLOAT64) AS discount_share, 'loyal' AS segment"
        for shopper in (*SHOPPERS, WITHDREW)
        for day in days
    ]
    warehouse.execute(f"CREATE TABLE `{full}.shopper_statistics` AS {' UNION ALL '.join(rows)}")
    for question in QUESTIONS:
        rows = [_features(question, shopper, day) for shopper in (*SHOPPERS, WITHDREW) for day in days]
        warehouse.execute(f"CREATE TABLE `{full}.{question.table}` AS {' UNION ALL '.join(rows)}")
    asyncio.run(_consents(Settings(found), dataset))
    shop = SimpleNamespace(id="demo", dataset=dataset, timezone="Europe/Paris", absent_consent=AbsentConsent.GRANTED)
    shelf = FakeShelf()
    shelf.kept[dataset] = [models().encode()]
    return Reading(warehouse, BigQueryRows.of(Settings(found)), shelf), shop


def test_the_run_has_models_where_the_tables_are_of_its_day(place: tuple[Any, Any]) -> None:
    room, shop = place
    there = room.warehouse.names(shop.dataset)
    assert set(TABLES) <= there
    assert choose(room, shop, RUN).models == ("t1" if TRAINED_MODELS.stored_as in there else "")
    assert choose(room, shop, RUN + timedelta(days=1)).models == ""


def test_a_shard_holds_its_own_shoppers_a_page_at_a_time(place: tuple[Any, Any]) -> None:
    room, shop = place
    told: list[str] = []
    for number in range(2):
        for rows, found, _ in pages(room, shop, RUN, Shard(number, 2), ("01",), "t1", 2, {"product-22", "another"}):
            people = [str(row["shopper"]) for row in rows]
            told += people
            assert len(people) <= 2
            every = (found.products, found.discoveries, found.categories, found.churn, found.promoted)
            for by_shopper in every:
                assert sorted(by_shopper) == people, "of the page, all of them and nobody else"
            assert [row["product"] for row in found.products[people[0]]] == ["product-22"], "nothing to train on"
            assert 0 < found.products[people[0]][0]["probability"] < 1
    assert told == SHOPPERS, "but not who withdrew meanwhile"


async def test_one_shopper_is_worked_out_again_among_others(place: tuple[Any, Any]) -> None:
    """By the tables and models of the run and its setting; the reasons are the trees' own."""
    room, shop = place
    documents = FakeDocuments()
    ledger = Ledger(documents)
    await ledger.begin(shop.id, RUN)
    setting = Setting(shop.id, RUN, (milk(products=("product-22",)), WHEEL), HouseRules(country="FR"))
    name = await settings.keep(documents, shop.id, RUN, write_setting(setting), RUN)
    await ledger.plan(shop.id, RUN, Plan("v", len(SHOPPERS), 1, ("01",), "t1", name), RUN)
    found = await recounted(room, documents, ledger, shop, SHOPPERS[2])
    assert [(one.campaign, one.outcome) for one in found.campaigns] == [
        ("milk", Outcome.NOT_FOR_THEM),
        ("wheel", Outcome.OFFERED),
    ]
    assert [product.id for product in found.parameters.products] == ["product-22"] == list(found.reasons)
    assert found.reasons["product-22"][0].value == 3 and found.parameters.offers[0].campaign == "wheel"
    with pytest.raises(NotTold, match="no claim"):
        await recounted(room, documents, ledger, shop, SHOPPERS[2][:-1] + "1")


def test_tables_of_another_day_are_noticed(place: tuple[Any, Any]) -> None:
    room, shop = place
    with pytest.raises(Outdated):
        next(pages(room, shop, RUN + timedelta(days=1), Shard(0, 1), ("01",), "t1", 2))
