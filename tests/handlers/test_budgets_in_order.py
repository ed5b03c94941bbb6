"""The scheduled job: what expired is free again, what was killed is ended, and what has room again is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.budgets.handler import answer
from functions.budgets.room import Room
from layers.campaigns.published import publish_campaign
from layers.campaigns.withheld import Why, withheld_at, withhold
from layers.ledger.books import Books
from layers.ledger.healing import balance
from layers.ledger.ledger import Ledger, Wish
from layers.retailers import Registry
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigtable.fake import FakeHotEvents
from layers.stores.collections import BUDGET_SHARDS, WITHHELD
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.suppressions import FakeSuppressions
from tests.handlers.asking import ask
from tests.handlers.test_promises import MONEY, favourites
from tests.handlers.visiting import DEMO, STRICT

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Desk:
    def __init__(self) -> None:
        self.documents = FakeDocuments()
        self.books = Books(self.documents)
        self.ledger = Ledger(self.books, lambda: NOW)

    async def full(self) -> None:
        """Two of three units are spent or held for an hour, and the campaign is withheld."""
        await publish_campaign(self.documents, "demo", favourites(money=3.0), "")
        await self.books.open("demo", MONEY, 300, 1)
        for key, hours in (("a", 1), ("b", 1), ("c", 100)):
            await self.ledger.reserve("demo", key * 32, [Wish(MONEY, 100)], NOW + timedelta(hours=hours))
        await self.ledger.commit("demo", "a" * 32)
        await withhold(self.documents, "demo", "favourites", Why.EXHAUSTED, NOW + timedelta(days=30), NOW)

    async def run(self, at: datetime) -> tuple[int, Any]:
        warehouse = FakeWarehouse({"order_statuses": []})
        stores = (FakeHotEvents(), warehouse, FakeSuppressions())
        response = await answer(ask("POST", "/"), Room(Registry([DEMO, STRICT]), self.documents, *stores), at)
        return response.status_code, json.loads(bytes(response.body))

    async def withheld(self) -> frozenset[str]:
        document = await self.documents.get(WITHHELD, "demo")
        return withheld_at(document.data if document else None, NOW)


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.full()
    return desk


async def test_what_expired_is_free_and_the_campaign_is_shown_again(desk: Desk) -> None:
    status, told = await desk.run(NOW)
    [healed] = told["retailers"][0]["budgets"]
    assert (status, healed["expired"], healed["balance"]["free"]) == (200, 0, 0)
    assert await desk.withheld() == {"favourites"}
    for expired in (1, 0):
        status, told = await desk.run(NOW + timedelta(hours=2))
        [healed] = told["retailers"][0]["budgets"]
        assert (status, healed["expired"]) == (200, expired)
        assert healed["balance"] == {"budget": MONEY, "limit": 300, "spent": 100, "held": 100, "free": 100}
        assert await desk.withheld() == set()


async def test_a_pause_is_not_lifted(desk: Desk) -> None:
    await withhold(desk.documents, "demo", "favourites", Why.PAUSED, None, NOW)
    await desk.run(NOW + timedelta(hours=2))
    assert await desk.withheld() == {"favourites"}


async def test_a_budget_that_is_broken_is_told_and_costs_no_other(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await desk.books.open("demo", "another", 10, 1)
    await desk.documents.put(BUDGET_SHARDS, "demo:another:0", {"nonsense": True})
    status, told = await desk.run(NOW + timedelta(hours=2))
    assert (status, told["broken"]) == (503, 1)
    assert [one["balance"]["budget"] for one in told["retailers"][0]["budgets"]] == [MONEY]
    said = "".join(capsys.readouterr())
    assert "a budget could not be put in order" in said and "all budgets are in order" not in said


async def test_what_ran_out_is_given_back_whose_store_ever_it_was_and_stores_go_in_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many stores there are, a run looks at so many; what ran out waits for none of them."""
    monkeypatch.setattr("functions.budgets.ordering.MOST_BUDGETS", 2)
    ends = NOW + timedelta(hours=12)
    for number in range(5):
        name = f"favourites.day.2026-11-22.store.s{number}.cents"
        await desk.books.open("demo", name, 100, 1, ends + timedelta(microseconds=number))
        await desk.ledger.reserve("demo", f"{number}" * 32, [Wish(name, 60)], NOW + timedelta(hours=1))
    later, seen = NOW + timedelta(hours=2), []
    for run in range(4):
        status, told = await desk.run(later)
        assert status == 200 and [one["balance"]["budget"] for one in told["retailers"][0]["budgets"]] == [MONEY]
        seen.append((told["given_back"], told["stores"]))
        for number in range(5):
            budget = await desk.books.budget("demo", f"favourites.day.2026-11-22.store.s{number}.cents")
            assert budget is not None and (await balance(desk.books, budget.value)).free == 100, run
    assert seen == [(5, 2), (0, 2), (0, 1), (0, 2)]


async def test_a_store_whose_period_ended_long_ago_is_looked_at_no_more(desk: Desk) -> None:
    await desk.books.open("demo", "favourites.day.2026-10-01.store.s1.cents", 100, 1, NOW - timedelta(days=41))
    _, told = await desk.run(NOW)
    assert told["stores"] == 0
