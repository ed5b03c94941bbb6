"""SCORING: what a shopper costs who is scored by trained models, and whether many cost as much each as few.

One process on the server's core does what the function does with a run: it plans, then scores shard after shard,
reading features from the BigQuery emulator and writing parameters into Bigtable's; the run's documents are in memory.
Features are drawn by chance, as many rows a shopper as real ones have, and the models are trained on such rows: what a
prediction costs depends on how many trees there are and how deep, not on whether they are right. Measured is the
process's own CPU; what the emulators need says nothing of BigQuery or Bigtable.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from functions.cooling.rules import cool
from functions.scoring.planning import plan
from functions.scoring.predicting import TABLES
from functions.scoring.room import Room
from functions.scoring.shard import score
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.model import OrderLine, OrderPaid
from layers.events.record import Record
from layers.facts import DERIVED
from layers.facts.tables import ColumnType, Table
from layers.learning import QUESTIONS, Question, TrainedModels
from layers.learning.training import Rows, train
from layers.retailers import AbsentConsent, Registry, Retailer
from layers.scoring_runs.ledger import Ledger
from layers.scoring_runs.messages import read_shard
from layers.stores.bigquery.rows import BigQueryRows
from layers.stores.bigquery.trained import BigQueryShelf, BigQueryTrained
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from layers.stores.bigtable.shoppers import BigtableShopperRows
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.suppressions import FakeSuppressions
from tests.bench import judged
from tests.bench.measured import Run, WrongRun, client
from tests.bench.servers import PROJECT
from tests.bench.servers import TABLES as TABLES_OF
from tests.bench.setting import Outcome, Setting
from tests.bench.stores import emulators
from tests.contracts.datasets import make_dataset

RUN = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY = RUN.date()

SHOPPERS = (617, 1234, 2469)
"""The last is the Complete Journey's clientele."""
FEW = (60, 120)

ROWS_A_SHOPPER = {"products": 95, "discoveries": 192, "churn": 1, "categories": 108}
"""Rows to score of each question's table: 2 463 real shoppers on 2017-12-01."""

ROWS_LEARNED = 64_000
"""More than the 60 000 from which training takes the larger of its models."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Attributes:
    values: environment values that lead to the emulators. sizes: shoppers, by retailer. The first warms up.
    """

    values: dict[str, str]
    sizes: dict[str, int]


def retailer(id: str) -> Retailer:
    return Retailer(
        id=id,
        name=id,
        write_key=id.ljust(16, "w"),
        read_key=id.ljust(16, "r"),
        origins=(),
        timezone="UTC",
        absent_consent=AbsentConsent.GRANTED,
    )


def drawn(question: Question, many: int, seed: int) -> Rows:
    """Rows to learn from: every feature says a little of what happens."""
    chance = np.random.default_rng(seed)
    habit = chance.normal(size=many)
    columns = {name: (habit + chance.normal(size=many)).astype(np.float32) for name in question.names}
    shoppers = chance.integers(0, max(2, many // ROWS_A_SHOPPER[question.name]), many)
    happened = (chance.random(many) < 1 / (1 + np.exp(3.0 - habit))).astype(float)
    return Rows(columns, chance.integers(20_000, 20_002, many), shoppers, happened)


def models(effort: float, most: int) -> TrainedModels:
    """Of the shape that training makes: as many trees, as deep."""
    trained = {
        question.name: train(question, drawn(question, 4_000 if question.name == "churn" else most, 1), 1, effort)
        for question in QUESTIONS
    }
    return TrainedModels("bench", RUN, DAY.isoformat(), trained)


def _value(name: str, kind: ColumnType, place: Mapping[str, str]) -> str:
    if name in place:
        return place[name]
    if re.fullmatch(r"q\d\d", name):
        # Quantiles rise, and offers are judged by them.
        return f"{name[1:]} + RAND()"
    if kind is ColumnType.STRING:
        return "'GROCERY'"
    if kind is ColumnType.DATE:
        return f"DATE '{DAY}'"
    if kind is ColumnType.TIMESTAMP:
        return f"TIMESTAMP '{RUN.isoformat()}'"
    return "CAST(20 * RAND() AS INT64)" if kind is ColumnType.INT64 else "20 * RAND()"


def table_sql(name: str, table: Table, shoppers: int, rows: int) -> str:
    """Makes a table of the models as dbt would, its numbers drawn by chance."""
    keys = {"shopper": "p.shopper", "purpose": "'score'", "target": "CAST(NULL AS INT64)", "segment": "'loyal'"}
    keys |= {key: f"CONCAT('{key}-', CAST(n AS STRING))" for key in ("product", "category") if rows > 1}
    columns = ", ".join(f"{_value(c.name, c.type, keys)} AS {c.name}" for c in table.columns)
    pseudonym = "CONCAT('01', TO_HEX(MD5(CAST(s AS STRING))))"
    people = f"SELECT {pseudonym} AS shopper FROM UNNEST(GENERATE_ARRAY(1, {shoppers})) AS s"
    return (
        f"CREATE TABLE `{name}` AS SELECT {columns} FROM ({people}) AS p"
        f" CROSS JOIN UNNEST(GENERATE_ARRAY(1, {rows})) AS n"
    )


async def fill(values: Settings, id: str, shoppers: int, held: TrainedModels) -> None:
    """A dataset as modelling and training leave it, with an order of everybody."""
    warehouse, facts = BigQueryWarehouse.of(values), BigQueryFacts.of(values)
    dataset = make_dataset(values[settings.EMULATOR_HOSTS["bigquery"]], PROJECT, retailer(id).dataset)
    full = warehouse.full_name(dataset)
    derived = {table.name: table for table in DERIVED}
    asked = {question.table: ROWS_A_SHOPPER[question.name] for question in QUESTIONS}
    for name in TABLES:
        sql = table_sql(f"{full}.{name}", derived[name], shoppers, asked.get(name, 1))
        await asyncio.to_thread(warehouse.execute, sql)
    rows = warehouse.query(f"SELECT s.shopper FROM `{full}.shopper_statistics` AS s")
    records = [_ordered(str(row["shopper"]), number) for number, row in enumerate(rows)]
    for cooled in cool(records):
        await facts.append(dataset, cooled.table, cooled.columns)
    await BigQueryShelf(warehouse, facts).put(dataset, held)
    await facts.close()


def _ordered(shopper: str, number: int) -> Record:
    at = RUN - timedelta(days=3)
    event = OrderPaid(id=f"o{number}", at=at, order=f"{number}", total=9.0, lines=(OrderLine("p1", 9.0),))
    return Record(shopper=shopper, session="s", channel="web", received=at, event=event)


async def scored(errand: Errand) -> list[Run]:
    """Raises:
    WrongRun: somebody was not scored by the models.
    """
    values = Settings(errand.values)
    shops = {id: retailer(id) for id in errand.sizes}
    warehouse, documents, topic = BigQueryWarehouse.of(values), FakeDocuments(), FakePublisher()
    room = Room(
        registry=Registry(shops.values()),
        warehouse=warehouse,
        shopper_rows=BigtableShopperRows.of(values),
        ledger=Ledger(documents),
        documents=documents,
        shards=topic,
        suppressions=FakeSuppressions(),
        table_rows=BigQueryRows.of(values),
        trained=BigQueryTrained(warehouse),
    )
    found = []
    for id, shop in shops.items():
        began, used = time.perf_counter(), time.process_time()
        await plan(room, shop, RUN, RUN)
        due = [read_shard(message.attributes) for message in topic.messages]
        topic.messages.clear()
        for each in due:
            await score(room, shop, RUN, each.shard, RUN)
        spent = time.process_time() - used, time.perf_counter() - began
        known = await room.ledger.run(id, RUN)
        if known is None or known.counts.learned != errand.sizes[id] or known.counts.refused:
            raise WrongRun(f"scoring: of {errand.sizes[id]} shoppers the models predicted {known and known.counts}")
        found.append(Run(errand.sizes[id], len(due), *spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    return found


def main() -> None:
    """The process that scores: an errand on standard input, the runs but the first on standard output."""
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    # What the function logs is no figure.
    with contextlib.redirect_stdout(sys.stderr):
        runs = asyncio.run(scored(errand))
    json.dump([asdict(run) for run in runs[1:]], sys.stdout)


def scoring(setting: Setting) -> Outcome:
    """Raises:
    WrongRun: somebody was not scored by the models.
    """
    few = setting.effort.short
    setting.say("  training models of the usual size …")
    held = models(0.1 if few else 1.0, 4_000 if few else ROWS_LEARNED)
    figures: list[Run] = []
    for _ in range(setting.effort.rounds):
        with emulators(("bigquery", "bigtable"), setting.cores.load, setting.folder) as stores:
            values = {
                **stores.values,
                settings.PROJECT: PROJECT,
                settings.hot_table("shoppers"): f"{TABLES_OF}/shoppers",
            }
            sizes = {f"shop{place}": many for place, many in enumerate((40, *(FEW if few else SHOPPERS)))}
            for id, many in sizes.items():
                setting.say(f"  features of {many} shoppers …")
                asyncio.run(fill(Settings(values), id, many, held))
            errand = msgspec.json.encode(Errand(values, sizes))
            runs = msgspec.json.decode(client("tests.bench.scoring", errand, setting.cores.server), type=list[Run])
        for run in runs:
            each = 1000 * run.cpu_s / run.shoppers
            setting.say(
                f"  {run.shoppers:6} shoppers: {each:.2f} ms of CPU each, {run.seconds:.1f} s, {run.peak_mb:.0f} MB"
            )
        figures += runs
    return Outcome(judged.scoring_lines(figures), list(figures))


if __name__ == "__main__":
    main()
