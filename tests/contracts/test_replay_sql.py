"""The decisions to replay, read on the emulator: what comes back is bit for bit what decisioning published."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from functions.replay.rules import Sample, binding, count_sql, decisions_sql, logged
from layers.declarations.settings import Settings
from layers.facts import DECISIONS
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from layers.tree.decision import Decision
from layers.tree.journey import Standing, advance
from layers.tree.reading import read_yaml
from tests.contracts.datasets import make_dataset
from tests.rules.journeys import PARAMETERS, START, record

pytestmark = pytest.mark.emulators

PROJECT = "replaying"
TREE = read_yaml((Path(__file__).parents[2] / "layers/tree/examples/grocery_basket.yaml").read_text())
VISIT = [
    record("PageViewed", 0),
    record("AddedToBasket", 1, product="usual0", price=10.1),
    record("AddedToBasket", 2, product="other", price=24.07),
    record("ConsentChanged", 3, purposes={"personalisation": False}),
]


def decided(shopper: str) -> list[Decision]:
    _, decisions = advance(None, VISIT, Standing(TREE, PARAMETERS, True))
    return [msgspec.structs.replace(d, shopper=shopper, event_id=f"{d.event_id}-{shopper[-6:]}") for d in decisions]


async def test_each_event_comes_back_once_by_shopper_and_exactly_as_it_was_decided(
    bigquery_emulator: tuple[str, str],
) -> None:
    rest, storage = bigquery_emulator
    values = Settings(
        {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    )
    dataset, warehouse = make_dataset(rest, PROJECT), BigQueryWarehouse.of(values)
    shoppers = [f"01{random.Random(n).randbytes(16).hex()}" for n in range(8)]
    all_of = [decision for shopper in shoppers for decision in decided(shopper)]
    given = START - timedelta(hours=9)
    all_of[::2] = [msgspec.structs.replace(d, consent_at=given) for d in all_of[::2]]
    # Before a late consent corrected them: none was known, or an earlier one.
    former = [
        msgspec.structs.replace(d, consent_at=earlier, node_after="before")
        for d, earlier in zip(all_of[::2], [None, given - timedelta(days=1)] * len(all_of), strict=False)
    ]
    older = [msgspec.structs.replace(d, revision=d.revision - 1, node_after="before") for d in all_of]
    tomorrow = [msgspec.structs.replace(d, at=d.at + timedelta(days=1), received=d.received) for d in all_of[:3]]
    columns = {
        column.name: [
            getattr(each, column.name) for each in (*former[3:], *all_of, *older, *tomorrow, *all_of[:5], *former[:3])
        ]
        for column in DECISIONS.columns
    }
    await BigQueryFacts.of(values).append(dataset, DECISIONS, columns)
    start, end = START.replace(hour=0), START.replace(hour=0) + timedelta(days=1)
    name = warehouse.full_name(dataset)
    assert warehouse.query(count_sql(name), binding(start, end)) == [{"found": len(all_of)}]

    def read(chosen: Sample) -> list[Decision]:
        pages = warehouse.pages(decisions_sql(name), binding(start, end, chosen), 5)
        return [logged(row) for page in pages for row in page]

    by_shopper = sorted(all_of, key=lambda d: (d.shopper, d.at))
    assert read(Sample(3, "g", 1.0)) == by_shopper
    assert read(Sample(7, "8000", 0.5)) == [d for d in by_shopper if d.shopper[6:10] < "8000"] != by_shopper
