"""Cooling acknowledges what is durable, quarantines what never will be, and refuses the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from functions.cooling.handler import answer
from functions.cooling.room import Room
from layers.events.model import AddedToBasket, Event, OrderLine, OrderPaid
from layers.events.record import encode_record
from layers.facts import DECISIONS, FACTS, ONE_ROW_AN_EVENT, Table
from layers.retailers import Registry, Retailer
from layers.shell.push import encode_push
from layers.stores.bigquery.fake import FakeFacts
from layers.stores.collections import QUARANTINE
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.suppressions import FakeSuppressions
from layers.tree.decision import Decision, encode_decisions
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHOP = Retailer(id="demo", name="Demo", write_key="w" * 16, read_key="r" * 16, origins=())
BY_NAME = {table.name: table for table in FACTS}
_EXAMPLES: list[Event] = msgspec.json.decode(
    json.dumps(json.loads((Path(__file__).parents[1] / "examples" / "events.json").read_text())["valid"]),
    type=list[Event],
)


class Cold:
    """Cooling on fakes."""

    def __init__(self) -> None:
        self.facts = FakeFacts()
        self.documents = FakeDocuments()
        self.suppressions = FakeSuppressions()
        self.room = Room(Registry([SHOP]), self.facts, self.documents, self.suppressions)

    async def push(
        self,
        data: bytes,
        topic: str = "shopper-events",
        attributes: Mapping[str, str] | None = None,
        message: str = "m1",
        now: datetime = NOW,
    ) -> Response:
        given = {"retailer": "demo"} if attributes is None else dict(attributes)
        body = encode_push(data, given, message, NOW, f"projects/p/subscriptions/cooling--{topic}")
        return await answer(ask("POST", "/", body), self.room, now)

    def ids(self, table: Table) -> list[str]:
        return sorted(row["event_id"] for row in self.facts.counted(SHOP.dataset, table))

    async def quarantined(self) -> list[tuple[int, str]]:
        documents = await self.documents.find(QUARANTINE)
        return sorted((document.data["line"], document.data["reason"]) for document in documents)


@pytest.fixture
def cold() -> Cold:
    return Cold()


def line(event: Event, shopper: str = "01" + "a" * 32) -> bytes:
    return encode_record(shopper, "s1", "web", NOW, msgspec.json.encode(event))


def added(number: int, product: str = "p1") -> AddedToBasket:
    at = NOW - timedelta(seconds=number)
    return AddedToBasket(id=f"event-{number:03d}", at=at, product=product, quantity=1, price=2.5)


def order(number: int, *products: str) -> OrderPaid:
    lines = tuple(OrderLine(product, 1.5) for product in products)
    return OrderPaid(id=f"order-{number:03d}", at=NOW, order=f"o{number}", total=1.5 * len(lines), lines=lines)


def decision(number: int) -> Decision:
    return Decision(
        event_id=f"event-{number:03d}",
        shopper="01" + "a" * 32,
        session="s1",
        channel="web",
        at=NOW,
        received=NOW,
        revision=1,
        tree="main",
        tree_version="v1",
        parameters_version="",
        node_before="start",
        node_after="start",
        reason="[]",
        shown="[]",
    )


async def test_a_message_of_every_event_type_is_acknowledged_once_durable(cold: Cold) -> None:
    response = await cold.push(b"\n".join(map(line, _EXAMPLES)))
    assert response.status_code == 204
    kept = [id for table in ONE_ROW_AN_EVENT for id in cold.ids(table)]
    assert sorted(kept) == sorted(event.id for event in _EXAMPLES)
    assert await cold.quarantined() == []


async def test_decisions_come_from_their_own_subscription(cold: Cold) -> None:
    response = await cold.push(encode_decisions([decision(1), decision(2)]), "decisions")
    assert response.status_code == 204
    assert cold.ids(DECISIONS) == ["event-001", "event-002"]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.randoms(use_true_random=False))
async def test_delivered_twice_and_shuffled_every_row_counts_once(numbers: list[int], random: Any) -> None:
    cold = Cold()
    deliveries = [order(n, "p1", "p2") if n % 3 == 0 else added(n) for n in numbers] * 2
    random.shuffle(deliveries)
    for start in range(0, len(deliveries), 7):
        assert (await cold.push(b"\n".join(map(line, deliveries[start : start + 7])))).status_code == 204
    orders = {n for n in numbers if n % 3 == 0}
    assert len(cold.ids(BY_NAME["orders"])) == len(orders)
    assert len(cold.ids(BY_NAME["order_lines"])) == 2 * len(orders)
    assert len(cold.ids(BY_NAME["basket_changes"])) == len(set(numbers) - orders)


async def test_while_bigquery_is_down_nothing_is_acknowledged_and_nothing_is_lost(cold: Cold) -> None:
    cold.facts.down = True
    response = await cold.push(line(added(1)) + b"\nnot a record")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    cold.facts.down = False
    assert (await cold.push(line(added(1)) + b"\nnot a record")).status_code == 204
    assert cold.ids(BY_NAME["basket_changes"]) == ["event-001"]
    assert [place for place, _ in await cold.quarantined()] == [2]


async def test_corrupt_lines_are_quarantined_by_their_place_and_the_rest_is_kept(
    cold: Cold, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = b'{"shopper": "jane@example.org"'
    message = b"\n".join([line(added(1)), bad, b"", line(added(2)), b"\xff\xfe"])
    for _ in range(2):
        assert (await cold.push(message)).status_code == 204
    assert cold.ids(BY_NAME["basket_changes"]) == ["event-001", "event-002"]
    assert [place for place, _ in await cold.quarantined()] == [2, 5]
    assert "jane" not in repr(cold.documents.collections) + capsys.readouterr().out


@pytest.mark.parametrize("attributes", [{}, {"retailer": "nobody"}])
async def test_a_message_of_nobodys_is_quarantined_whole(cold: Cold, attributes: dict[str, str]) -> None:
    assert (await cold.push(line(added(1)), attributes=attributes)).status_code == 204
    assert cold.facts.tables == {}
    assert [place for place, _ in await cold.quarantined()] == [0]


@pytest.mark.parametrize("tells", [True, False])
async def test_refused_rows_are_found_and_named_and_the_others_kept(cold: Cold, tells: bool) -> None:
    cold.facts.tells = tells
    cold.facts.refuses = lambda _, row: row.get("product") == "bad"
    products = ["p1", "bad", "p2", "p3", "bad", "p4", "p5"]
    message = [b"corrupt", *(line(added(n, product)) for n, product in enumerate(products)), line(order(1, "p", "bad"))]
    assert (await cold.push(b"\n".join(message))).status_code == 204
    assert cold.ids(BY_NAME["basket_changes"]) == ["event-000", "event-002", "event-003", "event-005", "event-006"]
    assert cold.ids(BY_NAME["orders"]) == ["order-001"]
    assert [row["product"] for row in cold.facts.counted(SHOP.dataset, BY_NAME["order_lines"])] == ["p"]
    assert [place for place, _ in await cold.quarantined()] == [1, 3, 6, 9]


async def test_a_message_whose_rows_are_all_refused_is_acknowledged(cold: Cold) -> None:
    cold.facts.refuses = lambda _table, _row: True
    assert (await cold.push(b"\n".join([line(added(1)), line(added(2))]))).status_code == 204
    assert [place for place, _ in await cold.quarantined()] == [1, 2]


async def test_an_unreadable_decision_is_quarantined(cold: Cold) -> None:
    data = encode_decisions([decision(1)]) + b'\n{"customer": "jane@example.org"}'
    assert (await cold.push(data, "decisions")).status_code == 204
    assert cold.ids(DECISIONS) == ["event-001"]
    assert [place for place, _ in await cold.quarantined()] == [2]
    assert "jane" not in repr(cold.documents.collections)


async def test_a_stranger_and_a_subscription_nobody_declared_are_told_so(cold: Cold) -> None:
    response = await answer(ask("POST", "/", b'{"hello": "jane@example.org"}'), cold.room, NOW)
    assert response.status_code == 400
    assert b"jane" not in bytes(response.body)
    assert (await cold.push(line(added(1)), topic="orders")).status_code == 400
    assert cold.facts.tables == {}


async def test_a_message_beyond_what_pubsub_can_send_is_refused(cold: Cold) -> None:
    response = await answer(ask("POST", "/", b"x", {"content-length": "99999999"}), cold.room, NOW)
    assert response.status_code == 413


async def test_what_is_erased_makes_no_row_and_what_follows_does(cold: Cold) -> None:
    bad = b'{"no": "record"}'
    cold.suppressions.suppress("demo", "01" + "a" * 32, NOW - timedelta(seconds=5))
    message = b"\n".join([line(added(5)), bad, line(added(4)), line(added(9), "01" + "b" * 32), line(order(1, "p"))])
    assert (await cold.push(message)).status_code == 204
    assert cold.ids(BY_NAME["basket_changes"]) == ["event-004", "event-009"]
    assert [place for place, _ in await cold.quarantined()] == [2], "an erased line is no bad line"
    kept, gone = decision(1), msgspec.structs.replace(decision(2), at=NOW - timedelta(seconds=5))
    assert (await cold.push(encode_decisions([gone, kept]), "decisions")).status_code == 204
    assert cold.ids(DECISIONS) == ["event-001"]


async def test_nothing_is_cooled_before_it_is_known_who_is_erased(cold: Cold) -> None:
    cold.suppressions.down = True
    assert (await cold.push(line(added(1)))).status_code == 503
    assert (await cold.push(encode_decisions([decision(1)]), "decisions")).status_code == 503
    assert cold.ids(BY_NAME["basket_changes"]) == cold.ids(DECISIONS) == []
    cold.suppressions.down = False
    assert (await cold.push(line(added(1)))).status_code == 204
    assert cold.ids(BY_NAME["basket_changes"]) == ["event-001"]
