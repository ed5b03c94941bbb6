"""The question of what is not cooled, asked on the emulator, of rows that cooling itself made."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from functions.cooling.rules import cool
from functions.reconciliation.rules import binding, day_runs, identity, missing_sql, questions
from layers.declarations.settings import Settings
from layers.events.model import (
    AddedToBasket,
    BasketValidated,
    ConsentChanged,
    Event,
    ExperienceClicked,
    ExperienceShown,
    Kept,
    KeptLine,
    LinkClicked,
    OrderLine,
    OrderPaid,
    OrderStatusUpdated,
    PageViewed,
    ProductViewed,
    Purposes,
    RemovedFromBasket,
    Searched,
)
from layers.events.record import Record, row_key
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from tests.contracts.datasets import make_dataset

pytestmark = pytest.mark.emulators

PROJECT = "reconciling"
NOW = datetime(2026, 11, 22, 0, 0, 0, 123456, tzinfo=UTC)
KEPT = Kept(3, (KeptLine("p0", 1.5, substituted_for="p1"), KeptLine("p2", 1.5)))
LINES = tuple(OrderLine(f"p{n}", 1.5) for n in range(3))


def one_of_each(prefix: str, at: datetime) -> list[Event]:
    def id(name: str) -> str:
        return f"{prefix}-{name}"

    return [
        PageViewed(id=id("page"), at=at, page="/"),
        LinkClicked(id=id("link"), at=at, page="/", target="/p"),
        Searched(id=id("search"), at=at, query="tea"),
        ProductViewed(id=id("product"), at=at, product="p1"),
        AddedToBasket(id=id("added"), at=at, product="p1", quantity=1, price=2.5),
        RemovedFromBasket(id=id("removed"), at=at, product="p1", quantity=1, price=2.5),
        BasketValidated(id=id("basket"), at=at, total=3),
        OrderPaid(id=id("order"), at=at, order="o1", total=4.5, lines=LINES),
        OrderStatusUpdated(id=id("status"), at=at, order="o1", status="shipped"),
        OrderStatusUpdated(id=id("nothing"), at=at, order="o1", status="delivered", kept=Kept(0, ())),
        OrderStatusUpdated(id=id("kept"), at=at, order="o1", status="delivered", kept=KEPT),
        ExperienceShown(id=id("shown"), at=at, decision="d1", kind="game"),
        ExperienceClicked(id=id("clicked"), at=at, decision="d1", kind="game"),
        ConsentChanged(id=id("consent"), at=at, purposes=Purposes(measurement=True)),
    ]


class Cold:
    """A dataset of its own, filled as cooling fills it."""

    def __init__(self, hosts: tuple[str, str]) -> None:
        rest, storage = hosts
        values = Settings(
            {
                "GONDOLA_PROJECT": PROJECT,
                "BIGQUERY_EMULATOR_HOST": rest,
                "BIGQUERY_STORAGE_EMULATOR_HOST": storage,
            }
        )
        self.dataset = make_dataset(rest, PROJECT)
        self.facts, self.warehouse = BigQueryFacts.of(values), BigQueryWarehouse.of(values)
        self.shopper = f"01{uuid.uuid4().hex}"

    async def takes(self, events: Iterable[Event], but: Iterable[str] = ()) -> None:
        """Args:
        but: tables whose rows are lost on the way.
        """
        records = [Record(shopper=self.shopper, session="s", channel="web", received=NOW, event=e) for e in events]
        for one in cool(records):
            if one.table.name not in but:
                await self.facts.append(self.dataset, one.table, one.columns)

    def missing(self, events: Iterable[Event]) -> list[str]:
        """Ids, as reconciliation asks for them."""
        keys = [row_key("demo", self.shopper, event.at, event.id) for event in events]
        found: list[str] = []
        for asked in questions(keys):
            spans = day_runs(identity(key)[1] for key in asked.values())
            sql = missing_sql(self.warehouse.full_name(self.dataset), spans)
            found += [asked[row["named"]].decode() for row in self.warehouse.query(sql, binding(asked, spans))]
        return sorted(key.rsplit("#", 1)[1] for key in found)


@pytest.fixture
async def cold(bigquery_emulator: tuple[str, str]) -> Cold:
    return Cold(bigquery_emulator)


async def test_of_every_type_what_is_not_there_is_missing_and_what_is_there_is_not(cold: Cold) -> None:
    taken, lost = one_of_each("taken", NOW), one_of_each("lost", NOW)
    await cold.takes(taken)
    assert cold.missing([*taken, *lost]) == sorted(event.id for event in lost)
    await cold.takes(lost)
    assert cold.missing([*taken, *lost]) == []


async def test_a_row_that_came_twice_is_no_more_missing_than_once(cold: Cold) -> None:
    events = one_of_each("twice", NOW)
    await cold.takes([*events, *events])
    assert cold.missing(events) == []


async def test_days_apart_midnights_and_milliseconds(cold: Cold) -> None:
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    times = [
        midnight,
        midnight - timedelta(microseconds=1),
        midnight - timedelta(milliseconds=1),
        midnight + timedelta(microseconds=999),
        midnight - timedelta(days=300),
        midnight + timedelta(hours=23, minutes=59, seconds=59, milliseconds=999),
        *(midnight - timedelta(days=2 * n) for n in range(1, 40)),
    ]
    events = [PageViewed(id=f"view-{n:04d}", at=at, page="/") for n, at in enumerate(times)]
    await cold.takes(events[:-1])
    assert cold.missing(events) == [events[-1].id]


async def test_the_same_id_at_another_time_is_another_event(cold: Cold) -> None:
    await cold.takes([PageViewed(id="view-same", at=NOW, page="/")])
    other = PageViewed(id="view-same", at=NOW + timedelta(milliseconds=1), page="/")
    assert cold.missing([other]) == ["view-same"]


async def test_an_order_is_missing_until_all_of_its_lines_are_there(cold: Cold) -> None:
    order = OrderPaid(id="order-one", at=NOW, order="o1", total=4.5, lines=LINES)
    await cold.takes([order], but=["order_lines"])
    assert cold.missing([order]) == ["order-one"]
    await cold.takes([OrderPaid(id="order-one", at=NOW, order="o1", total=4.5, lines=LINES[:2])], but=["orders"])
    await cold.takes([OrderPaid(id="order-one", at=NOW, order="o1", total=4.5, lines=LINES[:2])], but=["orders"])
    assert cold.missing([order]) == ["order-one"], "two lines twice are no third"
    await cold.takes([order])
    assert cold.missing([order]) == []


async def test_a_status_is_missing_until_all_that_is_kept_is_there(cold: Cold) -> None:
    status = OrderStatusUpdated(id="status-one", at=NOW, order="o1", status="delivered", kept=KEPT)
    await cold.takes([status], but=["kept_lines"])
    assert cold.missing([status]) == ["status-one"]
    await cold.takes([status])
    assert cold.missing([status]) == []


async def test_a_whole_batch_is_one_question(cold: Cold) -> None:
    events = [PageViewed(id=f"view-{n:06d}", at=NOW - timedelta(milliseconds=n), page="/") for n in range(50_000)]
    await cold.takes(events[1:])
    assert cold.missing(events) == ["view-000000"]
