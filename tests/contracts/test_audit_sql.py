"""Whose orders the audit of promises asks about, on the emulator, of rows that cooling itself made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest

from functions.budgets.auditing import SQL
from functions.cooling.rules import cool
from layers.events.envelope import RecordedChannel
from layers.events.model import Event, OrderLine, OrderPaid, OrderStatusUpdated, PageViewed
from layers.events.record import Record
from tests.contracts.test_reconciliation_sql import NOW, Cold

pytestmark = pytest.mark.emulators

LINES = (OrderLine("p1", 2.5),)


async def test_whose_orders_said_something_in_a_while_is_named_once(bigquery_emulator: tuple[str, str]) -> None:
    cold = Cold(bigquery_emulator)

    async def said(who: str, event: Event, received: datetime, channel: RecordedChannel = "web") -> None:
        event = msgspec.structs.replace(event, id=f"{event.id}-{who}")  # An event's id is its own, whoever's it is.
        record = Record(shopper=f"01{who * 32}", session="s", channel=channel, received=received, event=event)
        for one in cool([record]):
            await cold.facts.append(cold.dataset, one.table, one.columns)

    paid = OrderPaid(id="order-paid", at=NOW, order="o1", total=2.5, lines=LINES)
    delivered = OrderStatusUpdated(id="order-there", at=NOW, order="o1", status="delivered")
    old = OrderPaid(id="order-old1", at=NOW - timedelta(days=60), order="o0", total=2.5, lines=LINES)
    until = NOW + timedelta(hours=6)
    await said("a", paid, NOW)
    await said("a", delivered, NOW)
    await said("b", delivered, until - timedelta(microseconds=1))
    others: tuple[tuple[str, Event, datetime, RecordedChannel], ...] = (
        ("c", paid, until, "web"),
        ("d", paid, NOW - timedelta(microseconds=1), "web"),
        ("e", PageViewed(id="view-0001", at=NOW, page="/"), NOW, "web"),
        ("f", paid, NOW, "history"),
        ("0", old, NOW, "server"),
    )
    for other in others:
        await said(*other)
    sql = SQL.replace("{dataset}", cold.warehouse.full_name(cold.dataset))
    bound = {"since": NOW, "until": until, "oldest": NOW - timedelta(days=40)}
    pages: Sequence[list[dict[str, object]]] = list(cold.warehouse.pages(sql, bound, 1))
    assert [row["shopper"] for page in pages for row in page] == ["01" + "a" * 32, "01" + "b" * 32]
