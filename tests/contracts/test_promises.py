"""A campaign's money from publication to refund, on the fake and on Firestore: many shoppers, one small budget."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from layers.campaigns.budgets import paid_from
from layers.campaigns.model import Budget, Campaign, HouseRules, Level
from layers.campaigns.opening import open_budgets
from layers.campaigns.published import State, become, publish_campaign, running
from layers.campaigns.reporting import report
from layers.campaigns.withheld import withheld_at
from layers.declarations.settings import Settings
from layers.events.record import Record
from layers.promises.keeping import Purse, promise, read_promises
from layers.promises.model import Fate, Promise
from layers.promises.paying import settle
from layers.promises.rules import Wanted
from layers.stores.collections import CAMPAIGNS, PROMISES, WITHHELD
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.firestore.port import Documents
from tests.handlers.test_settlement import paid, said
from tests.handlers.visiting import DEMO, NOW

COFFEE = Campaign(
    campaign="winter_coffee",
    kind="promotion",
    products=("coffee",),
    generosity=(Level(money=1.5),),
    budget=Budget(money=6.0, count=100),
    starts=date(2026, 11, 1),
    ends=date(2026, 12, 31),
    timezone="Europe/Paris",
)
SHOPPERS = [f"01{number:032x}" for number in range(8)]


@pytest.fixture(params=["fake", pytest.param("firestore", marks=pytest.mark.emulators)])
async def documents(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Documents]:
    if request.param == "fake":
        yield FakeDocuments()
        return
    from layers.stores.firestore.documents import FirestoreDocuments

    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("firestore_emulator"))
    name = f"d{uuid.uuid4().hex[:12]}"
    yield FirestoreDocuments.of(Settings({"GONDOLA_DATABASE_DEFAULT": f"projects/contract/databases/{name}"}))


def wanted(shopper: str) -> Wanted:
    budgets = paid_from(COFFEE, HouseRules(country="FR"), NOW)
    money = tuple(one.budget for one in budgets if one.unit == "cents")
    at = NOW - timedelta(hours=3)
    made = Promise(
        key=shopper[2:], campaign="winter_coffee", offer="money_1.5", kind="promotion", product="coffee", cents=150,
        money=money, at=at, until=at + timedelta(hours=24),
    )  # fmt: skip
    return Wanted(made, budgets)


async def test_eight_at_once_of_a_budget_for_four(documents: Documents) -> None:
    await publish_campaign(documents, "demo", COFFEE, "", NOW)
    await open_budgets(documents, DEMO, COFFEE, NOW)
    purse = Purse.over(documents, lambda: NOW)
    refused = await asyncio.gather(*(promise(purse, "demo", who, [wanted(who)], NOW) for who in SHOPPERS))
    lucky = [who for who, campaigns in zip(SHOPPERS, refused, strict=True) if not campaigns]
    held = await documents.get(WITHHELD, "demo")
    assert len(lucky) == 4 and held is not None and withheld_at(held.data, NOW) == {"winter_coffee"}
    assert set(held.data) == set(WITHHELD.fields)

    async def settles(who: str, *records: Record) -> None:
        async def look(_: object) -> list[Record]:
            return list(records)

        await settle(purse, "demo", who, look, NOW)

    orders = [paid(), said("delivered")]
    for who in (lucky[0], lucky[0], lucky[1]):
        await settles(who, *orders)
    cheaper = said("refunded", 80, kept={"total": 1.2, "lines": [{"product": "coffee", "paid": 1.2}]})
    for _ in range(2):
        await settles(lucky[0], *orders, cheaper)
    await settles(lucky[1], *orders, said("refunded", 90))
    await settles(lucky[2], paid(), said("cancelled"))
    fates = []
    for who in lucky:
        document, promises = await read_promises(documents, "demo", who)
        assert document is not None and promises is not None and set(document.data) == set(PROMISES.fields)
        fates += [one.fate for one in promises.promises]
    assert fates == [Fate.EARNED, Fate.RETURNED, Fate.NOT_EARNED, Fate.OPEN]
    lines = {
        line.unit: (line.limit, line.spent, line.reserved, line.left) for line in await report(documents, DEMO, NOW)
    }
    assert lines == {"cents": (600, 120, 150, 330), "count": (100, 1, 1, 98)}


async def test_a_pause_and_a_resume(documents: Documents) -> None:
    await publish_campaign(documents, "demo", COFFEE, "", NOW)
    for state, shown in ((State.PAUSED, 0), (State.LIVE, 1)):
        assert [await become(documents, "demo", "winter_coffee", state, NOW) for _ in range(2)] == [True, False]
        assert len(await running(documents, "demo", NOW)) == shown
    [document] = await documents.find(CAMPAIGNS)
    assert set(document.data) == set(CAMPAIGNS.fields)
