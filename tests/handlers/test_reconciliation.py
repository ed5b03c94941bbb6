"""A run of the reconciliation: what is missing comes back, what is not is left alone, and no kill loses or floods."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from functions.reconciliation.function import FUNCTION
from functions.reconciliation.handler import answer
from functions.reconciliation.room import Room
from functions.reconciliation.rules import DISPATCHES, identity
from layers.events.model import PageViewed
from layers.events.record import decode_lines, encode_record, milliseconds, row_key
from layers.retailers import Registry, Retailer, RetentionClass, family
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents
from layers.stores.bigtable.port import Arrival, HotEvent
from layers.stores.collections import RECONCILIATIONS
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.suppressions import FakeSuppressions
from tests.handlers.asking import ask

NOW = datetime(2026, 11, 22, 12, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANNE, BERT = ("01" + letter * 32 for letter in "ab")


def shop(id: str) -> Retailer:
    return Retailer(id=id, name=id, write_key=f"{id}-write" * 2, read_key=f"{id}-read" * 2, origins=())


DEMO, OTHER = shop("demo"), shop("other")


class Shop:
    """A room on fakes, whose cooling takes what is dispatched when it is told to.

    Attributes:
        cold: identities of what is cooled, by dataset. poison: ids that cooling never takes.
    """

    def __init__(self, *retailers: Retailer) -> None:
        self.arrivals, self.events, self.documents = FakeArrivals(), FakeHotEvents(), FakeDocuments()
        self.topic, self.suppressions = FakePublisher(), FakeSuppressions()
        self.cold: dict[str, set[str]] = {}
        self.poison: set[str] = set()
        self.warehouse = FakeWarehouse({f".{r.dataset}.": self._answers(r.dataset) for r in retailers or (DEMO,)})
        self.room = Room(
            Registry(retailers or (DEMO,)),
            self.documents,
            self.arrivals,
            self.events,
            self.warehouse,
            self.topic,
            self.suppressions,
        )
        self._taken = 0

    def _answers(self, dataset: str) -> Callable[[Mapping[str, Any]], list[dict[str, Any]]]:
        def missing(bound: Mapping[str, Any]) -> list[dict[str, Any]]:
            named = str(bound["named"]).split(",")
            assert len(set(named)) == len(named)
            return [{"named": each} for each in named if each not in self.cold.get(dataset, set())]

        return missing

    async def arrives(self, at: datetime, ids: Iterable[str], retailer: Retailer = DEMO, shopper: str = ANNE) -> None:
        """Stored and noted, as ingest does; neither dispatched nor cooled."""
        events = [event(retailer, shopper, id, at) for id in ids]
        await self.events.write(events)
        await self.arrivals.note([Arrival(retailer.id, at, [each.key for each in events])])

    def cools(self, at: datetime, ids: Iterable[str], retailer: Retailer = DEMO) -> None:
        self.cold.setdefault(retailer.dataset, set()).update(
            identity(event(retailer, ANNE, id, at).key)[0] for id in ids
        )

    def deliver(self) -> list[str]:
        """Cooling takes what was dispatched since the last time; the ids that were."""
        found: list[str] = []
        for message in self.topic.messages[self._taken :]:
            records, corrupt = decode_lines(message.data)
            assert not corrupt and message.attributes["count"] == str(len(records))
            retailer = self.room.registry.by_id[message.attributes["retailer"]]
            for record in records:
                found.append(record.event.id)
                if record.event.id not in self.poison:
                    self.cools(record.event.at, [record.event.id], retailer)
        self._taken = len(self.topic.messages)
        return sorted(found)

    async def fire(self, now: datetime = NOW, query: str = "", really: datetime | None = None) -> Response:
        headers = {"x-cloudscheduler-scheduletime": now.isoformat()}
        return await answer(ask("POST", "/", headers=headers, query=query), self.room, really or now)

    def state(self, id: str) -> dict[str, Any]:
        return self.documents.collections[RECONCILIATIONS.name][id].data


def event(retailer: Retailer, shopper: str, id: str, at: datetime) -> HotEvent:
    seen = PageViewed(id=id, at=at, page="/")
    return HotEvent(
        row_key(retailer.id, shopper, at, id),
        family(RetentionClass.BROWSING, retailer.contract.browsing),
        milliseconds(at),
        encode_record(shopper, "s", "web", at, msgspec.json.encode(seen)),
    )


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{n:06d}" for n in range(count)]


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


def hour_of(response: Response, hour: str = "2026-11-22T11:00:00Z", retailer: str = "demo") -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in body_of(response)["hours"] if (each["retailer"], each["hour"]) == (retailer, hour)
    )
    return found


AT = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)


async def test_what_is_missing_is_dispatched_again_and_the_hour_closed_once_it_is_cooled() -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 250))
    shop.cools(AT, ids("event", 250)[30:])
    first = await shop.fire()
    assert first.status_code == 200
    assert hour_of(first) == {
        "retailer": "demo",
        "hour": "2026-11-22T11:00:00Z",
        "stored": 250,
        "cooled": 220,
        "missing": 30,
        "dispatched": 30,
        "attempts": 1,
        "status": "dispatched",
    }
    assert (body_of(first)["missing"], body_of(first)["dispatched"]) == (30, 30)
    assert shop.deliver() == ids("event", 250)[:30]
    second = hour_of(await shop.fire(NOW + HOUR))
    assert (second["missing"], second["dispatched"], second["status"]) == (0, 0, "complete")
    assert shop.deliver() == []
    kept = shop.state("demo_2026112211")
    assert (kept["stored"], kept["cooled"], kept["missing"], kept["most_missing"]) == (250, 250, 0, 30)
    assert (kept["dispatched"], kept["attempts"], kept["status"], kept["compared"]) == (30, 1, "complete", NOW + HOUR)


async def test_an_hour_is_left_alone_until_cooling_had_its_time_and_once_it_is_complete() -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 3))
    await shop.fire(NOW - timedelta(minutes=3))
    assert shop.deliver() == [] and "demo_2026112211" not in shop.documents.collections[RECONCILIATIONS.name]
    shop.cools(AT, ids("event", 3))
    await shop.fire()
    asked = len(shop.warehouse.statements)
    assert "2026-11-22T11:00:00Z" not in [each["hour"] for each in body_of(await shop.fire(NOW + HOUR))["hours"]]
    assert len(shop.warehouse.statements) == asked


async def test_a_day_later_it_is_compared_once_more_with_what_was_noted_late() -> None:
    shop = Shop()
    await shop.fire()
    assert hour_of(await shop.fire(NOW + 25 * HOUR))["status"] == "complete"
    shop = Shop()
    await shop.fire()
    await shop.arrives(AT, ["event-late"])
    assert (await shop.fire(NOW + HOUR)).status_code == 200 and shop.deliver() == []
    assert hour_of(await shop.fire(NOW + 24 * HOUR))["dispatched"] == 1
    assert shop.deliver() == ["event-late"]
    assert hour_of(await shop.fire(NOW + 25 * HOUR))["status"] == "complete"
    assert shop.state("demo_2026112211")["last"]
    assert "2026-11-22T11:00:00Z" not in str(body_of(await shop.fire(NOW + 26 * HOUR)))


async def test_a_poison_event_is_not_dispatched_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop()
    shop.poison = {"event-000000"}
    await shop.arrives(AT, ids("event", 4))
    shop.cools(AT, ids("event", 4)[2:])
    sent = []
    for hours in range(71):
        await shop.fire(NOW + hours * HOUR)
        sent += shop.deliver()
    assert (sent.count("event-000000"), sent.count("event-000001"), len(sent)) == (DISPATCHES + 1, 1, DISPATCHES + 2)
    kept = shop.state("demo_2026112211")
    assert (kept["status"], kept["missing"], kept["cooled"]) == ("incomplete", 1, 3)
    errors = [json.loads(entry) for entry in capsys.readouterr().out.splitlines() if '"ERROR"' in entry]
    assert [(each["message"], each["status"], each["missing"]) for each in errors] == [
        ("reconciled", "incomplete", 1)
    ] * 2


async def test_rows_that_were_erased_or_never_stored_or_are_beyond_the_contract_are_not_missing() -> None:
    shop = Shop()
    await shop.arrives(AT, ["event-erased"], shopper=BERT)
    await shop.events.delete_shopper("demo", BERT)
    await shop.arrivals.note([Arrival("demo", AT, [row_key("demo", ANNE, AT, "event-refused")])])
    old = event(DEMO, ANNE, "event-old", NOW - timedelta(days=DEMO.contract.browsing, minutes=1))
    await shop.events.write([old])
    await shop.arrivals.note([Arrival("demo", AT, [old.key])])
    await shop.arrives(AT, ["event-there"])
    told = hour_of(await shop.fire())
    assert (told["stored"], told["missing"], told["dispatched"]) == (1, 1, 1) and shop.deliver() == ["event-there"]


async def test_what_only_goes_is_complete_and_uses_no_attempt() -> None:
    shop = Shop()
    await shop.arrives(AT, ["event-erased"], shopper=BERT)
    await shop.events.delete_shopper("demo", BERT)
    told = hour_of(await shop.fire())
    assert (told["stored"], told["status"], told["attempts"]) == (0, "complete", 0)


async def test_a_dry_run_tells_and_changes_nothing() -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 5))
    dry, again = await shop.fire(query="dry_run=true"), await shop.fire(query="dry_run=true")
    assert body_of(dry) == body_of(again) and body_of(dry)["dry_run"] is True
    assert (hour_of(dry)["missing"], hour_of(dry)["dispatched"]) == (5, 5)
    assert shop.deliver() == [] and not shop.documents.collections.get(RECONCILIATIONS.name)
    assert hour_of(await shop.fire())["dispatched"] == 5
    assert (await shop.fire(query="dry_run=maybe")).status_code == 400


async def test_an_hour_of_any_size_is_compared_and_dispatched_in_pieces() -> None:
    shop = Shop()
    shop.room = replace(shop.room, batch=1000)
    for minute in range(60):
        await shop.arrives(datetime(2026, 11, 22, 11, minute, tzinfo=UTC), ids(f"event-{minute:02d}", 100))
    told = hour_of(await shop.fire())
    assert (told["stored"], told["dispatched"]) == (6000, 6000)
    assert len(shop.warehouse.statements) == 6
    assert len(shop.deliver()) == 6000 and all(len(message.data) <= 200_000 for message in shop.topic.messages)


async def test_events_of_other_days_are_asked_for_in_their_own_partitions() -> None:
    shop = Shop()
    days = [0, 1, 2, 300]
    for number in days:
        key = event(DEMO, ANNE, f"event-{number:03d}", AT - timedelta(days=number))
        await shop.events.write([key])
        await shop.arrivals.note([Arrival("demo", AT, [key.key])])
    await shop.fire()
    bound = [parameters for _, parameters in shop.warehouse.statements]
    midnight = AT.replace(hour=0, minute=0)
    spans = [(one["from_0"], one["until_0"], one["from_1"], one["until_1"]) for one in bound]
    assert spans == [
        (
            midnight - timedelta(days=300),
            midnight - timedelta(days=299),
            midnight - timedelta(days=2),
            midnight + timedelta(days=1),
        )
    ]


async def test_each_retailer_by_itself() -> None:
    shop = Shop(DEMO, OTHER)
    await shop.arrives(AT, ids("demo", 3))
    await shop.arrives(AT, ids("other", 2), OTHER)
    shop.cools(AT, ids("other", 2))
    shop.cools(AT, ids("demo", 1), OTHER)
    response = await shop.fire()
    assert [hour_of(response, retailer=id)["missing"] for id in ("demo", "other")] == [3, 2]
    assert {message.attributes["retailer"] for message in shop.topic.messages} == {"demo", "other"}


class TestFlood:
    """More is missing than a loss would explain."""

    @staticmethod
    async def after_an_outage(shop: Shop) -> None:
        shop.room = replace(shop.room, flood=50)
        await shop.arrives(AT, ids("event", 60))

    async def test_is_dispatched_once_cooling_keeps_up(self) -> None:
        shop = Shop()
        await self.after_an_outage(shop)
        newest = NOW - timedelta(minutes=16)
        await shop.arrives(newest, ids("newest", 10))
        shop.cools(newest, ids("newest", 10)[:4])
        told = hour_of(await shop.fire())
        assert (told["missing"], told["dispatched"], told["status"], told["attempts"]) == (60, 0, "waiting", 0)
        shop.cools(newest, ids("newest", 10)[:5])
        assert hour_of(await shop.fire())["dispatched"] == 60
        assert len(shop.deliver()) == 60

    async def test_is_dispatched_at_once_where_nothing_came_since(self) -> None:
        shop = Shop()
        await self.after_an_outage(shop)
        assert hour_of(await shop.fire())["dispatched"] == 60

    async def test_a_small_loss_is_mended_even_while_cooling_is_behind(self) -> None:
        shop = Shop()
        await shop.arrives(NOW - timedelta(minutes=16), ids("newest", 10))
        await shop.arrives(AT, ids("event", 60))
        assert hour_of(await shop.fire())["dispatched"] == 60


async def test_a_clock_ahead_acts_and_settles_nothing() -> None:
    shop = Shop()
    await shop.arrives(AT, ["event-one1"])
    really = AT + timedelta(minutes=5)
    told = hour_of(await shop.fire(NOW, really=really))
    assert (told["dispatched"], told["status"]) == (1, "dispatched")
    shop.deliver()
    assert hour_of(await shop.fire(NOW, really=really))["status"] == "open"
    await shop.arrives(AT + timedelta(minutes=10), ["event-two2"])
    told = hour_of(await shop.fire(NOW))
    assert (told["stored"], told["dispatched"]) == (2, 1)


@pytest.mark.parametrize(
    ("method", "path", "header", "status"),
    [("GET", "/", None, 404), ("POST", "/v1", None, 404), ("POST", "/", "yesterday", 400), ("POST", "/", None, 200)],
)
async def test_every_other_call_is_answered(method: str, path: str, header: str | None, status: int) -> None:
    headers = {"x-cloudscheduler-scheduletime": header} if header else {}
    response = await answer(ask(method, path, headers=headers), Shop().room, NOW)
    assert response.status_code == status


@pytest.mark.parametrize("store", ["arrivals", "events", "warehouse", "topic"])
async def test_a_store_that_is_down_is_said_and_mended_by_the_next_run(store: str) -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 3))
    getattr(shop, store).down = True
    broken = await shop.fire()
    assert broken.status_code == 503 and body_of(broken)["broken"] == ["demo"] and "retry-after" in broken.headers
    getattr(shop, store).down = False
    for hours in (1, 2):
        assert (await shop.fire(NOW + hours * HOUR)).status_code == 200
    assert sorted(set(shop.deliver())) == ids("event", 3)


async def test_one_retailers_trouble_does_not_keep_the_other() -> None:
    shop = Shop(DEMO, OTHER)
    for retailer in (DEMO, OTHER):
        await shop.arrives(AT, ids(retailer.id, 2), retailer)
    await shop.documents.put(RECONCILIATIONS, "demo_2026112211", {"retailer": "demo", "hour": "of no use"})
    response = await shop.fire()
    assert response.status_code == 503 and body_of(response)["broken"] == ["demo"]
    assert shop.deliver() == ids("other", 2)


class Killed(BaseException):
    """No handler catches it: the process is gone."""


STORES = ("documents", "arrivals", "hot_events", "warehouse", "topic")


class Dying:
    """Passes every call on to a store, until the nth of all stores, which ends the process before or after it."""

    def __init__(self, store: Any, left: list[int], after: bool) -> None:
        self._store, self._left, self._after = store, left, after

    def _dies(self) -> bool:
        self._left[0] -= 1
        return self._left[0] == 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name == "full_name":
            return call
        if name == "query":

            def blocking(*arguments: Any) -> Any:
                dies = self._dies()
                answered = None if dies and not self._after else call(*arguments)
                if dies:
                    raise Killed
                return answered

            return blocking
        if name == "between":

            async def read(*arguments: Any) -> Any:
                if self._dies():
                    raise Killed
                async for keys in call(*arguments):
                    yield keys

            return read

        async def mortal(*arguments: Any, **named: Any) -> Any:
            # A real store lets other work run meanwhile; the ones in memory never do.
            await asyncio.sleep(0)
            dies = self._dies()
            answered = None if dies and not self._after else await call(*arguments, **named)
            if dies:
                raise Killed
            return answered

        return mortal


def dying(room: Room, left: list[int], after: bool) -> Room:
    stores: dict[str, Any] = {name: Dying(getattr(room, name), left, after) for name in STORES}
    return replace(room, **stores)


def test_every_store_of_the_room_can_die() -> None:
    """But `suppressions`, which holds what it read of `documents`."""
    assert set(STORES) == {field.name for field in fields(Room)} - {"registry", "suppressions", "batch", "flood"}


async def settled(shop: Shop) -> None:
    """All hours but the one in question, so that a kill falls into that one."""
    for hours in range(2, 72):
        at = NOW.replace(minute=0) - hours * HOUR
        await shop.fire(at + timedelta(minutes=15))


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_at_any_call_is_mended_by_the_next_runs(after: bool) -> None:
    calls = 0
    sound_shop = Shop()
    await settled(sound_shop)
    before = sound_shop.documents.collections
    while True:
        calls += 1
        shop = Shop()
        shop.room = replace(shop.room, batch=4)
        shop.documents.collections = {name: dict(found) for name, found in before.items()}
        await shop.arrives(AT, ids("event", 10))
        shop.cools(AT, ids("event", 10)[6:])
        whole = shop.room
        shop.room = dying(whole, [calls], after)
        try:
            await shop.fire()
        except Killed:
            pass
        except BaseExceptionGroup as group:
            assert group.subgroup(Killed) is not None, "TaskGroup tells of a kill in a group"
        else:
            break
        shop.room = whole
        sent = shop.deliver()
        for hours in range(1, 3):
            await shop.fire(NOW + hours * HOUR)
            sent += shop.deliver()
        assert sorted(set(sent)) == ids("event", 10)[:6], f"killed at call {calls}"
        kept = shop.state("demo_2026112211")
        assert (kept["status"], kept["cooled"]) == ("complete", 10), f"killed at call {calls}"
        assert kept["attempts"] <= 2
    assert calls > 80, "the kill reached every call of a whole run"


async def test_of_two_runs_at_once_one_dispatches() -> None:
    shop = Shop()
    await settled(shop)
    await shop.arrives(AT, ids("event", 10))
    whole = shop.room
    shop.room = dying(whole, [10**9], False)
    answers = await asyncio.gather(shop.fire(), shop.fire(), shop.fire())
    assert [response.status_code for response in answers] == [200] * 3
    assert shop.deliver() == ids("event", 10)
    assert shop.state("demo_2026112211")["attempts"] == 1


async def test_the_same_run_again_does_nothing_more() -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 3))
    await shop.fire()
    again = await shop.fire()
    assert (again.status_code, body_of(again)["hours"]) == (200, [])
    assert shop.deliver() == ids("event", 3)


async def test_what_the_declaration_measures_is_what_a_run_logs(capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 3))
    await shop.fire()
    logged = [json.loads(entry) for entry in capsys.readouterr().out.splitlines()]
    for measure in FUNCTION.measures:
        lines = [each for each in logged if each["message"] == measure.message]
        assert lines, measure.name
        for each in lines:
            assert all(isinstance(each[label], str) for label in measure.labels)
            assert not measure.number or isinstance(each[measure.number], int)
    statuses = {each["status"] for each in logged if each["message"] == "reconciled"}
    assert statuses == {"complete", "dispatched"}
    await shop.fire(query="dry_run=true", now=NOW + HOUR)
    assert "reconciled" not in capsys.readouterr().out, "what a dry run finds is measured by nobody"


async def test_nobody_is_named_in_logs_answers_or_documents(capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 3))
    told = bytes((await shop.fire()).body).decode()
    said = "".join(capsys.readouterr()) + told + repr(shop.documents.collections)
    assert ANNE not in said and "event-0" not in said and "reconciled" in said


async def test_what_is_erased_and_still_stands_is_neither_missing_nor_dispatched() -> None:
    shop = Shop()
    await shop.arrives(AT, ids("before", 3))
    await shop.arrives(AT + timedelta(milliseconds=1), ids("after", 2))
    await shop.arrives(AT, ids("bert", 2), shopper=BERT)
    shop.suppressions.suppress("demo", ANNE, AT)
    found = hour_of(await shop.fire())
    assert (found["stored"], found["missing"], found["dispatched"]) == (4, 4, 4)
    assert shop.deliver() == sorted(ids("after", 2) + ids("bert", 2))


async def test_nothing_is_dispatched_before_it_is_known_who_is_erased() -> None:
    shop = Shop()
    await shop.arrives(AT, ids("event", 3))
    shop.suppressions.down = True
    assert (await shop.fire()).status_code == 503
    assert shop.deliver() == []
    shop.suppressions.down = False
    await shop.fire()
    assert shop.deliver() == ids("event", 3)
