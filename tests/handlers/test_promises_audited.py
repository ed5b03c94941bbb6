"""What was lost between orders, promises and the ledger is found and mended, whatever is killed, and paid once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from functions.budgets.auditing import Audit, audit_orders, audit_promises
from functions.budgets.handler import answer
from functions.budgets.room import Room
from functions.budgets.rules import span
from layers.ledger.model import Claim, Reservation, Status
from layers.promises.auditing import Gap, gap
from layers.promises.model import DELIVERED_WITHIN, Fate, Promise, Promises, document, promises_id
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigtable.port import Unavailable
from layers.stores.collections import AUDITS, PROMISES
from tests.handlers.asking import ask
from tests.handlers.test_settlement import CHEAP, Stack, paid, promise, said
from tests.handlers.visiting import DEMO, NOW, OTHER, SHOPPER

LATER = NOW + timedelta(hours=2)
OVER = NOW + timedelta(days=3)


class Office(Stack):
    """Settlement's stores, and the facts that name whose orders said something."""

    def __init__(self) -> None:
        super().__init__()
        self.ordered: list[str] = [SHOPPER]
        self.decided: list[str] = [OTHER, SHOPPER]
        self.asked: list[Mapping[str, Any]] = []
        self.warehouse = FakeWarehouse({"order_statuses": self._orders, ".decisions`": self._decisions})

    def _orders(self, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.asked.append(bound)
        return [{"shopper": shopper} for shopper in self.ordered]

    def _decisions(self, bound: Mapping[str, Any]) -> list[dict[str, Any]]:
        assert bound["first"] <= promise().at < bound["last"]
        return [{"shopper": shopper} for shopper in self.decided]

    @property
    def office(self) -> Room:
        return Room(self.registry, self.documents, self.hot, self.warehouse, self.suppressions)

    async def audits(self, now: datetime = LATER) -> dict[str, Any]:
        response = await answer(ask("POST", "/"), self.office, now)
        self.status = response.status_code
        audit: dict[str, Any] = json.loads(bytes(response.body))["audit"]
        return audit

    async def says(self, one: Promise) -> None:
        """In the document, whatever the ledger knows."""
        data = document(Promises(retailer="demo", at=NOW, promises=(one,)))
        await self.documents.put(PROMISES, promises_id("demo", SHOPPER), data)


async def test_an_order_whose_message_was_lost_is_settled_by_the_audit_and_once() -> None:
    office = Office()
    await office.holds()
    await office.store(paid(lines=CHEAP), said("delivered"))
    audit = await office.audits()
    assert (audit["shoppers"], audit["late"], audit["unrepaired"]) == (2, 1, 0)
    assert await office.fates() == [Fate.EARNED] and await office.spent_held_free() == (120, 0, 880)
    assert [bound["until"] - bound["since"] for bound in office.asked] == [timedelta(hours=6)] * 2
    again = await office.audits(LATER)
    assert (again["late"], again["repaired"], again["promises"]) == (0, 0, 1)
    assert office.asked[2]["since"] == office.asked[0]["until"], "and the next hours are asked about"


async def test_an_audit_that_is_killed_begins_where_it_did() -> None:
    office = Office()
    await office.holds()
    await office.store(paid(), said("delivered"))
    office.hot.down = True
    with pytest.raises(Unavailable):
        await audit_orders(office.office, DEMO, LATER, Audit())
    assert await office.documents.find(AUDITS) == []
    audit = await office.audits()
    assert office.status == 503 and audit["late"] == 0, "and the job's other parts are done"
    office.hot.down = False
    assert (await office.audits())["late"] == 1 and office.status == 200
    assert await office.spent_held_free() == (150, 0, 850)


async def test_a_commit_without_its_order_is_refunded_once_none_can_come() -> None:
    office = Office()
    one = await office.holds()
    await office.purse.ledger.commit("demo", one.key, {"coffee.cents": 150})
    assert (await office.audits())["repaired"] == 0, "its order may still be told of"
    assert await office.spent_held_free() == (150, 0, 850)
    assert (await office.audits(OVER))["repaired"] == 1
    assert await office.spent_held_free() == (0, 0, 1000)
    assert (await office.audits(OVER))["repaired"] == 0


async def test_a_commit_whose_order_is_there_after_all_is_kept() -> None:
    """Killed between the ledger and the document, and the message lost as well."""
    office = Office()
    office.ordered = []
    one = await office.holds()
    await office.store(paid(), said("delivered"))
    await office.purse.ledger.commit("demo", one.key, {"coffee.cents": 150})
    audit = await office.audits(OVER)
    assert (audit["repaired"], audit["unrepaired"]) == (1, 0)
    assert await office.fates() == [Fate.EARNED] and await office.spent_held_free() == (150, 0, 850)


async def test_what_a_document_says_is_settled_is_settled_in_the_ledger_too() -> None:
    office = Office()
    one = await office.holds()
    await office.says(replace(one, fate=Fate.EARNED, order="o9", earned=120))
    audit = await office.audits()
    assert (audit["repaired"], audit["unrepaired"]) == (1, 0)
    assert await office.spent_held_free() == (120, 0, 880)
    await office.says(replace(one, fate=Fate.RETURNED, order="o9"))
    assert (await office.audits())["repaired"] == 1 and await office.spent_held_free() == (0, 0, 1000)


async def test_what_no_budget_can_pay_any_more_is_told_and_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    one = await office.holds()
    await office.purse.ledger.release("demo", one.key)
    await office.store(paid(), said("delivered"))
    audit = await office.audits()
    assert audit["late"] == 1 and await office.fates() == [Fate.LAPSED]
    told = capsys.readouterr().out
    assert '"gap":"late","status":"unrepaired"' in told and SHOPPER not in told


async def test_what_was_earned_and_given_back_beside_the_ledger_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    one = await office.holds()
    await office.purse.ledger.release("demo", one.key)
    await office.says(replace(one, fate=Fate.EARNED, order="o9", earned=120))
    assert (await office.audits())["unrepaired"] == 1
    assert '"gap":"unpaid","status":"unrepaired"' in capsys.readouterr().out
    assert await office.fates() == [Fate.LAPSED], "from then on the document says so"
    assert (await office.audits())["unrepaired"] == 0


async def test_of_whom_nothing_was_decided_nothing_is_mended(capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    one = await office.holds()
    await office.purse.ledger.commit("demo", one.key, {"coffee.cents": 150})
    office.decided = [OTHER]
    assert (await office.audits(OVER))["unrepaired"] == 1 and office.status == 200
    assert '"status":"unrepaired"' in capsys.readouterr().out
    assert await office.spent_held_free() == (150, 0, 850)


async def test_documents_that_cannot_be_read_are_named_in_the_answer_alone(capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    await office.holds(shopper=OTHER)
    id = promises_id("demo", SHOPPER)
    await office.documents.put(PROMISES, id, {"retailer": "demo", "at": NOW, "promises": "nonsense"})
    audit = await office.audits()
    assert set(audit["unreadable"]) == {id} and audit["promises"] == 1
    assert id not in capsys.readouterr().out


async def test_all_promises_are_gone_through_a_part_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.budgets.auditing.MOST_PROMISES", 2)
    office = Office()
    for number in range(5):
        data = document(Promises(retailer="demo", at=NOW + timedelta(seconds=number), promises=(promise(),)))
        await office.documents.put(PROMISES, f"demo:{number}", data)
    counts = []
    for _ in range(5):
        found = Audit()
        await audit_promises(office.office, LATER, found)
        counts.append(found.promises)
    assert counts == [2, 2, 1, 2, 2]
    [audited] = await office.documents.find(AUDITS)
    assert set(audited.data) == set(AUDITS.fields)


def reservation(status: Status, settled: int = 0) -> Reservation:
    claim = Claim("coffee.cents", 150, settled=settled)
    return Reservation(retailer="demo", key="a" * 32, claims=(claim,), status=status, until=NOW, at=NOW)


CASES: list[tuple[dict[str, Any], Reservation | None, datetime, Gap | None]] = [
    ({}, reservation(Status.RESERVED), NOW, None),
    ({}, reservation(Status.COMMITTED, 150), NOW, None),
    ({}, reservation(Status.COMMITTED, 150), OVER, Gap.SPENT),
    ({"fate": Fate.ORDERED}, reservation(Status.COMMITTED, 150), OVER, None),
    ({"fate": Fate.ORDERED}, reservation(Status.COMMITTED, 150), OVER + DELIVERED_WITHIN, Gap.SPENT),
    ({"fate": Fate.EARNED, "earned": 150}, reservation(Status.COMMITTED, 150), NOW, None),
    ({"fate": Fate.EARNED, "earned": 100}, reservation(Status.COMMITTED, 150), NOW, Gap.TOO_MUCH),
    ({"fate": Fate.EARNED, "earned": 150}, reservation(Status.COMMITTED, 100), NOW, Gap.UNPAID),
    ({"fate": Fate.EARNED, "earned": 150, "unbudgeted": 50}, reservation(Status.COMMITTED, 100), NOW, None),
    ({"fate": Fate.EARNED, "earned": 150}, reservation(Status.RESERVED), NOW, Gap.UNSPENT),
    ({"fate": Fate.EARNED, "earned": 150}, reservation(Status.RELEASED), NOW, Gap.UNPAID),
    ({"fate": Fate.EARNED, "earned": 150}, None, NOW, None),
    ({"fate": Fate.NOT_EARNED}, reservation(Status.RESERVED), NOW, Gap.HELD),
    ({"fate": Fate.NOT_EARNED}, reservation(Status.RELEASED), NOW, None),
    ({"fate": Fate.RETURNED}, reservation(Status.COMMITTED, 150), NOW, Gap.SPENT),
    ({"fate": Fate.RETURNED}, reservation(Status.REFUNDED, 150), NOW, None),
    ({"fate": Fate.LAPSED}, reservation(Status.RELEASED), NOW, None),
]


@pytest.mark.parametrize(("changes", "kept", "now", "expected"), CASES)
def test_an_example_of_each_gap(
    changes: dict[str, Any], kept: Reservation | None, now: datetime, expected: Gap | None
) -> None:
    assert gap(promise(**changes), kept, now) is expected


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_no_moment_is_left_out_whenever_the_job_runs(minutes: list[int]) -> None:
    """Runs at any times, hours late too: spans follow each other, and none ends within what is still settling."""
    until: datetime | None = None
    for now in sorted(NOW + timedelta(minutes=each) for each in minutes):
        asked = span(until, now)
        if asked is not None:
            assert until is None or asked[0] == until
            assert asked[0] < asked[1] <= now - timedelta(minutes=30)
            until = asked[1]
