"""A purge by its scheduled clock: what goes, what stays, what is proved, and what a kill leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from starlette.responses import Response

from functions.retention_purge.handler import answer
from functions.retention_purge.room import Room
from functions.retention_purge.rules import retired_delays
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, PageViewed, Purposes
from layers.events.record import encode_record, milliseconds, row_key
from layers.facts import EVERYWHERE
from layers.retailers import Contract, Registry, Retailer, family
from layers.stores.apart import ApartDocuments
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.bigtable.port import Arrival, HotEvent, ShopperRow
from layers.stores.collections import ERASURES, PURGES, QUARANTINE, SUPPRESSIONS, TREES, TURNS
from layers.stores.dead_letters import DeadLetterSweep
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakeDeadLetters
from tests.handlers.asking import ask
from tests.handlers.cold_facts import ColdFacts

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
ANNE, BERT, CARL = ("01" + letter * 32 for letter in "abc")
DEMO = Retailer(
    id="demo",
    name="Demo",
    write_key="demo-write-key-of-it",
    read_key="demo-read-key-of-its",
    origins=(),
    contract=Contract(browsing=30, transactions=365, decisions=30, consent=1825),
)
OTHER = Retailer(
    id="other", name="Other", write_key="other-write-key-of-it", read_key="other-read-key-of-its", origins=()
)


def seen(days_ago: float, id: str) -> PageViewed:
    return PageViewed(id=id, at=NOW - timedelta(days=days_ago), page="/")


def paid(days_ago: float, id: str) -> OrderPaid:
    return OrderPaid(id=id, at=NOW - timedelta(days=days_ago), order="o", total=1, lines=(OrderLine("p", 1),))


def consented(days_ago: float, id: str) -> ConsentChanged:
    purposes = Purposes(measurement=True, personalisation=True, advertising=False, rewards=False)
    return ConsentChanged(id=id, at=NOW - timedelta(days=days_ago), purposes=purposes)


def hot(retailer: Retailer, shopper: str, event: Event) -> HotEvent:
    return HotEvent(
        row_key(retailer.id, shopper, event.at, event.id),
        family(event.retention, retailer.contract.days(event.retention)),
        milliseconds(event.at),
        encode_record(shopper, "s", "web", NOW, msgspec.json.encode(event)),
    )


class Archive:
    """A room on fakes."""

    def __init__(self) -> None:
        self.events, self.arrivals, self.rows = FakeHotEvents(), FakeArrivals(), FakeShopperRows()
        self.documents = FakeDocuments()
        self.facts = ColdFacts(DEMO.dataset, EVERYWHERE)
        self.facts.tables |= ColdFacts(OTHER.dataset, EVERYWHERE).tables
        registry = Registry([DEMO, OTHER])
        self.dead = FakeDeadLetters(["cooling--shopper-events--dead", "cooling--decisions--dead"])
        sweep = DeadLetterSweep(self.dead, self.documents, registry.by_id, lambda: NOW)
        self.kept_apart = FakeDocuments("rewards")
        apart = ApartDocuments(self.kept_apart, registry.by_id)
        self.room = Room(
            registry, self.documents, self.events, self.arrivals, self.rows, self.facts, sweep, apart, batch=2
        )

    async def holds(self, shopper: str, *events: Event, retailer: Retailer = DEMO) -> None:
        await self.events.write([hot(retailer, shopper, event) for event in events])
        await self.rows.write_parameters(retailer.id, [(shopper, b"{}")], 1)
        await self.rows.swap_state(retailer.id, shopper, None, b"{}")

    async def noted(self, *hours_ago: float, retailer: Retailer = DEMO) -> None:
        for hours in hours_ago:
            key = row_key(retailer.id, ANNE, NOW, f"event-{hours:03.0f}")
            await self.arrivals.note([Arrival(retailer.id, NOW - timedelta(hours=hours), [key])])

    def cold(self, table: str, *days_ago: float, retailer: Retailer = DEMO) -> None:
        rows = self.facts.tables[retailer.dataset, table]
        rows += [{"shopper": ANNE, "at": NOW - timedelta(days=days)} for days in days_ago]

    async def fire(self, now: datetime | None = NOW, query: str = "", really: datetime = NOW) -> Response:
        headers = {} if now is None else {"x-cloudscheduler-scheduletime": now.isoformat()}
        return await answer(ask("POST", "/", headers=headers, query=query), self.room, really)

    async def named(self) -> list[str]:
        """Ids of events in the journal of arrivals."""
        first, last = NOW - timedelta(days=9), NOW + timedelta(days=9)
        keys = [key async for row in self.arrivals.between("demo", first, last) for key in row]
        return sorted(key.decode().rsplit("#", 1)[1] for key in keys)

    def ids(self) -> list[str]:
        return sorted(key.decode().rsplit("#", 1)[1] for key in self.events.rows)


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(response.body))
    return found


def part_of(response: Response, store: str, retailer: str = "demo") -> dict[str, Any]:
    reports = body_of(response)["reports"]
    parts = [part for report in reports if report["retailer"] == retailer for part in report["parts"]]
    found: dict[str, Any] = next(part for part in parts if part["store"] == store)
    return found


async def test_events_go_by_their_class_and_their_retailer() -> None:
    archive = Archive()
    await archive.holds(ANNE, seen(29, "view-new"), seen(31, "view-old"), paid(31, "order-new"), paid(366, "order-old"))
    await archive.holds(ANNE, seen(31, "other-view"), retailer=OTHER)
    response = await archive.fire()
    assert (response.status_code, body_of(response)["clean"]) == (200, True)
    assert archive.ids() == ["order-new", "other-view", "view-new"]
    views = part_of(response, "bigtable:events/browsing_30d")
    assert (views["removed"], views["kept"], views["expired"]) == (1, 1, 0)
    assert views["oldest"] == "2026-10-24T02:15:00.000Z" and views["cutoff"] == "2026-10-23T02:15:00.000Z"


async def test_rows_of_a_former_longer_contract_go_too() -> None:
    archive = Archive()
    old = hot(DEMO, ANNE, seen(31, "view-old"))
    await archive.events.write([msgspec.structs.replace(old, family="browsing_395d")])
    response = await archive.fire()
    assert part_of(response, "bigtable:events/browsing_395d")["removed"] == 1 and archive.ids() == []


async def test_facts_go_by_their_class() -> None:
    archive = Archive()
    archive.cold("cooled_page_views", 29, 31, 400)
    archive.cold("cooled_orders", 31, 366)
    archive.cold("cooled_page_views", 31, retailer=OTHER)
    response = await archive.fire()
    views, orders = part_of(response, "bigquery:cooled_page_views"), part_of(response, "bigquery:cooled_orders")
    assert (views["removed"], views["kept"], orders["removed"], orders["kept"]) == (2, 1, 1, 1)
    assert orders["oldest"] == "2026-10-22T02:15:00.000Z"
    assert part_of(response, "bigquery:cooled_page_views", "other")["kept"] == 1


async def test_a_profile_goes_with_the_last_event_it_was_made_of_and_a_consent_stays() -> None:
    archive = Archive()
    await archive.holds(ANNE, paid(100, "order-one"))
    await archive.holds(BERT, paid(366, "order-old"), consented(400, "consent-one"))
    await archive.rows.write_consent("demo", BERT, 1, b"consent")
    await archive.holds(CARL, seen(31, "view-old"))
    response = await archive.fire()
    assert await archive.rows.read("demo", ANNE) == ShopperRow(parameters=b"{}", state=b"{}")
    assert await archive.rows.read("demo", BERT) == ShopperRow(consent=b"consent")
    assert await archive.rows.read("demo", CARL) == ShopperRow()
    shoppers = part_of(response, "bigtable:shoppers")
    assert (shoppers["removed"], shoppers["kept"], shoppers["expired"]) == (2, 2, 0)
    assert part_of(await archive.fire(NOW + timedelta(hours=1)), "bigtable:shoppers")["removed"] == 0


async def test_the_journal_of_arrivals_goes_after_three_days_whatever_the_contract() -> None:
    archive = Archive()
    await archive.noted(1, 71, 73, 74, 200)
    await archive.noted(73, retailer=OTHER)
    dry, wet = await archive.fire(query="dry_run=true"), await archive.fire()
    told, done = part_of(dry, "bigtable:arrivals"), part_of(wet, "bigtable:arrivals")
    assert [told[name] for name in ("removed", "kept", "expired")] == [3, 2, 3]
    assert [done[name] for name in ("removed", "kept", "expired")] == [3, 2, 0]
    assert (done["cutoff"], done["oldest"]) == ("2026-11-19T02:15:00.000Z", "2026-11-19T03:15:00.000Z")
    assert part_of(wet, "bigtable:arrivals", "other")["removed"] == 1
    assert len(archive.arrivals.rows) == 2


async def test_a_shopper_who_comes_back_meanwhile_keeps_the_row() -> None:
    class Returning(FakeHotEvents):
        async def count_shopper(self, retailer_id: str, shopper: str) -> int:
            await self.write([hot(DEMO, CARL, seen(0, "view-back"))])
            return await super().count_shopper(retailer_id, shopper)

    archive = Archive()
    archive.events = Returning()
    archive.room = replace(archive.room, hot_events=archive.events)
    await archive.holds(CARL)
    await archive.fire()
    assert (await archive.rows.read("demo", CARL)).state == b"{}"


async def test_documents_go_by_their_delay() -> None:
    archive = Archive()
    documents = archive.documents
    await documents.put(QUARANTINE, "old", {"at": NOW - timedelta(days=91)})
    await documents.put(QUARANTINE, "new", {"at": NOW - timedelta(days=1)})
    await documents.put(QUARANTINE, "undated", {})
    longest = timedelta(days=DEMO.contract.consent)
    await documents.put(SUPPRESSIONS, "demo:1", {"retailer": "demo", "since": NOW - longest - timedelta(days=1)})
    await documents.put(SUPPRESSIONS, "demo:2", {"retailer": "demo", "since": NOW - longest})
    await documents.put(ERASURES, "open", {"retailer": "demo", "requested": NOW - timedelta(days=9999)})
    await documents.put(ERASURES, "old", {"retailer": "demo", "finished": NOW - timedelta(days=2000)})
    await documents.put(TREES, "demo:t:1", {"published": NOW - timedelta(days=9999)})
    response = await archive.fire()
    runs = {PURGES.name, TURNS.name}
    left = {name: sorted(found) for name, found in documents.collections.items() if found and name not in runs}
    assert left == {
        "quarantine": ["new", "undated"],
        "suppressions": ["demo:2"],
        "erasures": ["open"],
        "trees": ["demo:t:1"],
    }
    quarantine = part_of(response, "firestore:quarantine", "*")
    assert (quarantine["removed"], quarantine["kept"], quarantine["undated"]) == (1, 2, 1)
    assert [r["retailer"] for r in body_of(response)["reports"]] == ["demo", "other", "*"]


async def test_the_clock_is_the_schedulers() -> None:
    archive = Archive()
    await archive.holds(ANNE, seen(0, "view-new"))
    await archive.fire(None)
    assert archive.ids() == ["view-new"]
    told = body_of(await archive.fire(NOW + timedelta(days=31)))
    assert told["scheduled"] == "2026-12-23T02:15:00.000Z" and archive.ids() == []


@pytest.mark.parametrize("header", ["soon", "2026-11-22T02:15:00", (NOW + timedelta(days=3651)).isoformat()])
async def test_a_wrong_clock_removes_nothing(header: str) -> None:
    archive = Archive()
    await archive.holds(ANNE, seen(31, "view-old"))
    asked = ask("POST", "/", headers={"x-cloudscheduler-scheduletime": header})
    response = await answer(asked, archive.room, NOW)
    assert response.status_code == 400 and archive.ids() == ["view-old"]


@pytest.mark.parametrize(("method", "path", "query", "status"), [("GET", "/", "", 404), ("POST", "/x", "", 404)])
async def test_nothing_else_is_answered(method: str, path: str, query: str, status: int) -> None:
    assert (await answer(ask(method, path, query=query), Archive().room, NOW)).status_code == status


async def test_a_dry_run_tells_what_would_go_and_removes_nothing() -> None:
    archive = Archive()
    await archive.holds(ANNE, seen(29, "view-new"), seen(31, "view-old"))
    await archive.holds(CARL, seen(31, "view-carl"))
    archive.cold("cooled_page_views", 29, 31)
    await archive.documents.put(QUARANTINE, "old", {"at": NOW - timedelta(days=91)})
    dry = await archive.fire(query="dry_run=true")
    assert dry.status_code == 200 and body_of(dry)["dry_run"] is True
    assert archive.ids() == ["view-carl", "view-new", "view-old"]
    assert not archive.documents.collections[PURGES.name]
    wet = await archive.fire()
    for store, retailer in (
        ("bigtable:events/browsing_30d", "demo"),
        ("bigtable:shoppers", "demo"),
        ("bigquery:cooled_page_views", "demo"),
        ("firestore:quarantine", "*"),
    ):
        told, done = part_of(dry, store, retailer), part_of(wet, store, retailer)
        assert (told["removed"], told["kept"]) == (done["removed"], done["kept"]), store
    assert archive.ids() == ["view-new"]
    assert (await archive.fire(query="dry_run=perhaps")).status_code == 400


async def test_firing_again_removes_nothing_more_and_tells_the_same() -> None:
    archive = Archive()
    await archive.holds(ANNE, seen(29, "view-new"), seen(31, "view-old"))
    first, second = body_of(await archive.fire())["reports"], body_of(await archive.fire())["reports"]
    assert first[:2] == second[:2]
    kept = archive.documents.collections[PURGES.name]["2026-11-22T02:15:00.000Z:demo"].data
    assert kept["done"] and kept["report"] == first[0]


class Killed(BaseException):
    """The process is gone."""


async def test_a_kill_at_any_call_is_mended_by_firing_again() -> None:
    async def filled() -> Archive:
        archive = Archive()
        await archive.holds(ANNE, *(seen(31 + n, f"view-{n:04d}") for n in range(5)), seen(1, "view-new"))
        await archive.holds(CARL, seen(31, "view-carl"))
        archive.cold("cooled_page_views", 29, 31)
        await archive.documents.put(QUARANTINE, "old", {"at": NOW - timedelta(days=91)})
        return archive

    calls = 0
    while True:
        calls += 1
        archive, left = await filled(), [calls]

        def due(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        class DyingEvents(FakeHotEvents):
            async def delete(self, keys: Any, due: Any = due) -> None:
                due()
                await super().delete(keys)

        class DyingDocuments(FakeDocuments):
            async def put(self, collection: Any, id: str, data: Any, due: Any = due) -> None:
                due()
                await super().put(collection, id, data)

            async def delete(self, collection: Any, id: str, due: Any = due) -> None:
                due()
                await super().delete(collection, id)

        events, documents = DyingEvents(), DyingDocuments()
        events.rows, documents.collections = archive.events.rows, archive.documents.collections
        sound = archive.room
        archive.room = replace(sound, hot_events=events, documents=documents)
        try:
            await archive.fire()
        except Killed:
            pass
        else:
            break
        archive.room = sound
        response = await archive.fire()
        assert body_of(response)["clean"] and archive.ids() == ["view-new"], f"killed at call {calls}"
        # A kill between a batch and the record of its family leaves those batches uncounted, never undone.
        assert part_of(response, "bigtable:events/browsing_30d")["removed"] <= 6
    assert calls > 25


async def test_one_retailers_trouble_does_not_keep_anothers_data() -> None:
    class Partly(FakeShopperRows):
        def keys(self, retailer_id: str) -> Any:
            self.down = retailer_id == "demo"
            return super().keys(retailer_id)

    archive = Archive()
    archive.room = replace(archive.room, shopper_rows=Partly())
    await archive.events.write([hot(OTHER, ANNE, seen(400, "view-old"))])
    response = await archive.fire()
    told = body_of(response)
    assert response.status_code == 503 and told["broken"] == ["demo"] and response.headers["retry-after"]
    assert archive.ids() == [] and [report["retailer"] for report in told["reports"]] == ["other", "*"]


async def test_what_was_broken_off_comes_first_the_next_time() -> None:
    archive = Archive()
    await archive.fire()
    done = archive.documents.collections[PURGES.name].pop("2026-11-22T02:15:00.000Z:other")
    assert done.data["done"]
    assert [report["retailer"] for report in body_of(await archive.fire())["reports"]] == ["other", "demo", "*"]


async def test_something_expired_that_is_left_is_an_error_and_never_a_clean_report() -> None:
    class Stubborn(FakeHotEvents):
        async def delete(self, keys: Any) -> None:
            pass

    archive = Archive()
    archive.room = replace(archive.room, hot_events=Stubborn())
    stubborn = archive.room.hot_events
    await stubborn.write([hot(DEMO, ANNE, seen(31, "view-old"))])
    response = await archive.fire()
    assert response.status_code == 500 and body_of(response)["type"].endswith("not-clean")
    assert part_of(response, "bigtable:events/browsing_30d")["expired"] == 1


async def test_no_shopper_is_logged_or_told(capsys: pytest.CaptureFixture[str]) -> None:
    archive = Archive()
    for shopper in (ANNE, BERT, CARL):
        await archive.holds(shopper, seen(31, f"view-{shopper[-1]}-old"))
    told = bytes((await archive.fire()).body).decode() + repr(archive.documents.collections)
    said = "".join(capsys.readouterr()) + told
    assert '"message":"purged"' in said
    assert not any(secret in said for secret in (ANNE, BERT, CARL, "view-a-old"))


async def test_a_family_of_a_former_contract_is_purged_by_todays() -> None:
    """Its own expiry is the former delay's: without the purge a shortened contract would hold for new events only."""
    archive = Archive()
    stale, fresh = (
        msgspec.structs.replace(hot(DEMO, ANNE, e), family="browsing_395d")
        for e in (seen(31, "view-old"), seen(29, "view-new"))
    )
    await archive.events.write([stale, fresh])
    archive.room = replace(archive.room, registry=Registry([DEMO]), retired=retired_delays('{"browsing":[395]}'))
    told = await archive.fire(query="dry_run=true")
    assert part_of(told, "bigtable:events/browsing_395d")["removed"] == 1 and len(archive.ids()) == 2
    done = await archive.fire()
    part = part_of(done, "bigtable:events/browsing_395d")
    assert (part["removed"], part["kept"], part["expired"]) == (1, 1, 0)
    assert archive.ids() == ["view-new"]


def test_a_former_contract_that_cannot_be_read_stops_the_purge() -> None:
    with pytest.raises(msgspec.ValidationError):
        retired_delays('{"coupons":[9]}')


LONG = msgspec.structs.replace(
    DEMO, contract=Contract(browsing=3650, transactions=3650, decisions=3650, consent=3650, rewards=3650)
)


@pytest.mark.parametrize("dry_run", [False, True])
async def test_three_years_after_the_last_activity_all_goes_though_the_contract_is_longer(dry_run: bool) -> None:
    """Anne bought again a year ago, Bert only agreed to something since: that is no activity, and its proof stays."""
    archive = Archive()
    archive.room = replace(archive.room, registry=Registry([LONG]))
    await archive.holds(ANNE, paid(1200, "anne-old"), paid(365, "anne-new"), retailer=LONG)
    await archive.holds(BERT, paid(1200, "bert-old"), seen(1097, "bert-view"), retailer=LONG)
    await archive.holds(BERT, consented(1300, "bert-agreed"), consented(10, "bert-again"), retailer=LONG)
    await archive.holds(CARL, paid(1095, "carl-in-time"), paid(1500, "carl-old"), retailer=LONG)
    rows = archive.facts.tables
    for shopper, days in ((ANNE, 1200), (ANNE, 365), (BERT, 1200), (CARL, 1095), (CARL, 1500)):
        rows[LONG.dataset, "cooled_orders"].append({"shopper": shopper, "at": NOW - timedelta(days=days)})
    rows[LONG.dataset, "cooled_consents"].append({"shopper": BERT, "at": NOW - timedelta(days=1300)})
    rows[LONG.dataset, "cooled_decisions"].append({"shopper": BERT, "at": NOW - timedelta(days=1200)})
    response = await archive.fire(query="dry_run=true" if dry_run else "")
    removed = {
        store: part_of(response, store)["removed"]
        for store in (
            "bigtable:events/transactions_3650d",
            "bigtable:events/browsing_3650d",
            "bigtable:events/consent_3650d",
            "bigquery:cooled_orders",
            "bigquery:cooled_decisions",
            "bigquery:cooled_consents",
        )
    }
    assert list(removed.values()) == [1, 1, 0, 1, 1, 0]
    if dry_run:
        assert len(archive.ids()) == 8 and not body_of(response)["clean"]
        return
    assert body_of(response)["clean"] and response.status_code == 200
    assert archive.ids() == ["anne-new", "anne-old", "bert-again", "bert-agreed", "carl-in-time", "carl-old"]
    assert (await archive.rows.read("demo", BERT)).parameters is None
    assert (await archive.rows.read("demo", ANNE)).parameters is not None
    again = await archive.fire()
    assert body_of(again)["clean"] and archive.ids()[0] == "anne-new"
