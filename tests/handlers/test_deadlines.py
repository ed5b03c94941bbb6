"""The month of an erasure: how it is counted, and who hears that it is nearly over."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.retention_purge.deadlines import CHECKED, LINE, OPEN, tell
from functions.retention_purge.function import FUNCTION
from layers.privacy.deadline import WARN_BEFORE, Urgency, due, urgency
from layers.stores.collections import ERASURES
from layers.stores.firestore.fake import FakeDocuments
from tests.handlers.test_retention_purge import NOW, Archive, body_of

moments = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        ("2026-11-22T12:00", "2026-12-22T12:00"),
        ("2026-12-31T12:00", "2027-01-31T12:00"),
        ("2027-01-31T12:00", "2027-02-28T12:00"),
        ("2028-01-30T12:00", "2028-02-29T12:00"),
    ],
)
def test_a_month_ends_on_the_same_date_or_the_last(asked: str, until: str) -> None:
    assert due(datetime.fromisoformat(asked + "+00:00")) == datetime.fromisoformat(until + "+00:00")


@given(moments, moments)
def test_a_month_is_28_to_31_days_and_never_shorter_for_who_asks_later(one: datetime, other: datetime) -> None:
    assert timedelta(days=28) <= due(one) - one <= timedelta(days=31)
    first, second = sorted((one, other))
    assert due(first).date() <= due(second).date()


@given(moments, st.integers(-(10**7), 10**7))
def test_urgency_only_grows(until: datetime, seconds: int) -> None:
    now = until + timedelta(seconds=seconds)
    ranks = list(Urgency)
    assert ranks.index(urgency(until, now)) <= ranks.index(urgency(until, now + timedelta(days=1)))
    assert (urgency(until, now) is Urgency.OVERDUE) == (now > until)


async def filled() -> FakeDocuments:
    documents = FakeDocuments()
    left = {"a" * 32: timedelta(days=20), "b" * 32: timedelta(days=6), "c" * 32: timedelta(days=-1)}
    for id, until in left.items():
        status = OPEN[0] if id[0] != "c" else OPEN[1]
        await documents.put(ERASURES, id, {"retailer": "demo", "status": status, "due": NOW + until})
    await documents.put(ERASURES, "d" * 32, {"retailer": "demo", "status": "complete", "due": NOW - WARN_BEFORE})
    return documents


async def test_who_is_late_is_told_of_and_nobody_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert await tell(await filled(), NOW) == {"in time": 1, "soon": 1, "overdue": 1}
    *lines, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (last["message"], last["in_time"], last["soon"], last["overdue"]) == (CHECKED, 1, 1, 1)
    assert [(each["severity"], each["urgency"], each["days_left"]) for each in lines] == [
        ("WARNING", "soon", 6),
        ("ERROR", "overdue", -1),
    ]
    (measure,) = [measure for measure in FUNCTION.measures if measure.message == LINE]
    assert all(each["message"] == measure.message and set(measure.labels) <= set(each) for each in lines)
    assert {alarm.among for alarm in FUNCTION.alarms if alarm.measure == measure.name} == {
        (Urgency.SOON.value,),
        (Urgency.OVERDUE.value,),
    }


async def test_every_check_is_counted_and_its_absence_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    await tell(FakeDocuments(), NOW)
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (measure,) = [measure for measure in FUNCTION.measures if measure.message == line["message"]]
    assert [alarm.silent_s for alarm in FUNCTION.alarms if alarm.measure == measure.name] == [25 * 3600]


async def test_the_nightly_run_tells_of_them() -> None:
    archive = Archive()
    for id, document in (await filled()).collections[ERASURES.name].items():
        await archive.documents.put(ERASURES, id, document.data)
    assert body_of(await archive.fire(query="dry_run=true"))["erasures"] == {"in time": 1, "soon": 1, "overdue": 1}
