"""The watch tells a run that stands still from one that runs, is done, or never began; and resumes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.scoring_watch.handler import answer
from functions.scoring_watch.room import Room
from functions.scoring_watch.rules import LATE, MISSING, Verdict, judged
from layers.retailers import Registry
from layers.scoring_runs.ledger import Counts, Head, Ledger, Plan
from layers.scoring_runs.messages import Built, read_built
from layers.scoring_runs.shards import Shard
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakePublisher
from tests.handlers.asking import ask
from tests.handlers.scoring_site import OTHER, RUN, SHOP

PLAN = Plan("v1", 10, 2, ("01",))


class Tower:
    def __init__(self) -> None:
        self.ledger, self.topic = Ledger(FakeDocuments(), pause_s=0), FakePublisher()

    async def look(self, at: datetime) -> dict[str, str]:
        room = Room(Registry([SHOP, OTHER]), self.ledger, self.topic)
        request = ask("POST", "/", headers={"X-CloudScheduler-ScheduleTime": at.isoformat()})
        response = await answer(request, room, datetime(2000, 1, 1, tzinfo=UTC))
        assert response.status_code == 200
        return {each["retailer"]: each["verdict"] for each in msgspec.json.decode(response.body)["retailers"]}

    async def begun(self) -> None:
        await self.ledger.begin("aa", RUN)
        await self.ledger.plan("aa", RUN, PLAN, RUN)


async def test_a_run_that_is_late_is_begun_again_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    tower = Tower()
    await tower.begun()
    assert await tower.look(RUN + LATE) == {"aa": "running", "bb": "none-yet"}
    assert tower.topic.messages == []
    assert await tower.look(RUN + LATE + timedelta(minutes=1)) == {"aa": "late", "bb": "none-yet"}
    assert [read_built(message.attributes) for message in tower.topic.messages] == [Built("aa", RUN)]
    assert '"severity":"ERROR","message":"run watched","retailer":"aa"' in capsys.readouterr().out


async def test_a_run_that_is_done_is_fine_until_the_next_one_is_missing() -> None:
    tower = Tower()
    await tower.begun()
    for number in range(2):
        await tower.ledger.finish("aa", RUN, Shard(number, 2), Counts(), RUN)
    assert (await tower.look(RUN + LATE * 3))["aa"] == "fine"
    assert (await tower.look(RUN + MISSING + timedelta(minutes=1)))["aa"] == "missing"
    assert tower.topic.messages == [], "there is nothing to resume"


async def test_one_retailer_who_cannot_be_looked_at_hides_no_other() -> None:
    tower = Tower()
    await tower.begun()
    tower.topic.down = True
    room = Room(Registry([SHOP, OTHER]), tower.ledger, tower.topic)
    response = await answer(ask("POST", "/"), room, RUN + LATE * 2)
    assert response.status_code == 503
    assert [each["retailer"] for each in msgspec.json.decode(response.body)["retailers"]] == ["bb"]


async def test_without_a_clock_nothing_is_looked_at() -> None:
    room = Room(Registry([SHOP]), Tower().ledger, FakePublisher())
    request = ask("POST", "/", headers={"X-CloudScheduler-ScheduleTime": "noon"})
    assert (await answer(request, room, RUN)).status_code == 400


async def test_a_run_that_training_asked_for_is_as_old_as_its_plan() -> None:
    tower = Tower()
    await tower.ledger.begin("aa", RUN)
    assert (await tower.look(RUN + LATE * 2))["aa"] == "late", "begun, and nobody planned it"
    await tower.ledger.plan("aa", RUN, PLAN, RUN + LATE * 2)
    assert (await tower.look(RUN + LATE * 3))["aa"] == "running"
    assert (await tower.look(RUN + LATE * 5))["aa"] == "late"


@given(
    st.timedeltas(timedelta(0), timedelta(days=5)),
    st.none() | st.timedeltas(timedelta(0), timedelta(days=1)).map(lambda later: RUN + later),
    st.booleans(),
    st.booleans(),
)
def test_time_alone_only_makes_it_worse(age: timedelta, planned: datetime | None, settled: bool, careful: bool) -> None:
    head = Head(RUN, settled, careful)
    verdicts = [judged(head, planned, RUN + age * share) for share in (0, 0.5, 1)]
    order = [Verdict.FINE, Verdict.MISSING] if settled else [Verdict.RUNNING, Verdict.LATE]
    assert sorted(verdicts, key=order.index) == verdicts
