"""What the demo says at its end, and what it refuses to say."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from emulators.shop import report
from emulators.shop.assortment import Assortment
from emulators.shop.erasing import Erased
from emulators.shop.games import Closed
from emulators.shop.history import Delivered, Taken
from emulators.shop.journey_data import Line, Order
from emulators.shop.kinds import Seen
from emulators.shop.live_day import Played, Recall, sight_id
from emulators.shop.market import Market
from emulators.shop.night import MODELLING_AT, Scored, moment
from emulators.shop.offering import Simulated
from emulators.shop.prizes import Games
from emulators.shop.promised import Kept
from emulators.shop.purging import Purged
from emulators.shop.replaying import Replayed, night_after, read
from emulators.shop.replaying import check as check_replay
from emulators.shop.sessions import Session, browse
from emulators.shop.settling import Decided, Followed, check, compare, unsettled
from emulators.shop.stage import DemoFailed
from emulators.shop.stopping import Paused
from emulators.shop.tracker import Answer

LIVE = date(2026, 11, 20)
RECEIPT = {
    "id": "112e",
    "reference": "demo-2026-11-20",
    "customers": 1,
    "finished": "2026-11-22T04:50:50.915Z",
    "fingerprints": ["9a9a"],
    "stores": [{"store": "bigtable:events", "found": 46, "deleted": 46, "remaining": 0}],
    "kept": [{"store": "firestore:erasures", "what": "this request", "until": "2031-11-21T00:00:00Z"}],
}


def played(latencies: tuple[float, ...] = (20.0, 30.0, 400.0)) -> Played:
    found = Played()
    found.tally.latencies_ms += latencies
    found.tally.sent += ["a", "b"]
    found.tally.acknowledged += ["a", "b"]
    return found


def market() -> Market:
    page = '{"tree":"market_day","node":"brand_offer","experience":{"kind":"promotion"}}'
    return Market(
        day=date(2026, 11, 22),
        simulated=Simulated(300, {"arrival": 300}, {"promotion": 40}, 12.5, 80.0),
        orders=96,
        seconds=30.0,
        seen=[Seen("promotion", "brand_week", "", 12, 40, page), Seen("default", "", "consent", 7, 90, page)],
        paused=[Paused("brand_week", 0.912, 1.04)],
        kept=[Kept("brand_week", 12, 5, 2, 1, 4, 100_000, 700, 400, 98_900)],
        audited={"promises": 77, "repaired": 0, "unrepaired": 0, "late": 0},
        games=Games(
            {("evening_draw", "won"): 3}, 0, [Closed("evening_draw", 95, 3, 9, "every winner is right")], [950], "7"
        ),
        followed=Followed(1002, 1002, 1002, 1002, 1002, 0),
        decided=Decided(2, 0, 2, 2),
        replayed=Replayed(4000, 3999, 0, {"late_event": 1}, 0.4),
        shoppers=[],
        played=played(),
    )


def results(recall: float | None = 0.25) -> report.Results:
    bad = [{"file": "orders/2026-06-06.ndjson.gz", "line": 115, "reason": "not valid JSON (at $)"}]
    return report.Results(
        live_day=LIVE,
        delivered=Delivered(334, 1000, 9000, 1, 50, date(2025, 12, 21), date(2026, 11, 19)),
        taken=Taken(335, 1000, 1, 0.5, bad),
        reconciled={"rows of orders": (1000, 1000)},
        scored=Scored(90, 1.5, "done", "learned", 20, 67, 40.0, 30.0, {"products": 0.8125}),
        orders=384,
        played=played(),
        play_seconds=60.0,
        recall=Recall(recall, 300 if recall is not None else 0, 84, None if recall is None else 0.125),
        followed=Followed(1002, 1002, 1002, 1002, 1002, 0),
        decided=Decided(2, 0, 2, 2),
        replayed=Replayed(2, 2, 0, {}, 0.4),
        market=market(),
        journey={"nodes": ["arrival"], "decisions": 1},
        erased=Erased(RECEIPT, 3.2, {"bigtable:events": 46}, {}),
        purged=Purged(datetime(2027, 12, 22, tzinfo=UTC), {"clean": True}, 4.5, 10, 0, 990, 991),
        graph={"resources": 167, "applied": 70, "not_emulated": 97},
        seconds=200.0,
    )


def test_the_summary_keeps_its_contract() -> None:
    numbers = report.summary(results())
    assert numbers["events"] == {
        "sent": 1002,
        "acknowledged": 1002,
        "stored": 1002,
        "dispatched": 1002,
        "cooled": 1002,
        "lost": 0,
    }
    assert (numbers["history"]["events"], numbers["history"]["seconds"]) == (1000, 0.5)
    assert numbers["history"]["events_per_second"] == 2000.0
    assert {name: numbers["decisions"][name] for name in ("count", "p50_ms", "p95_ms")} == {
        "count": 2,
        "p50_ms": 30.0,
        "p95_ms": 400.0,
    }
    assert numbers["recall_at_10"] == 0.25
    assert numbers["recall"]["popular_products_instead"] == 0.125
    assert (numbers["erasure"]["receipt"], numbers["erasure"]["residue"]) == (RECEIPT, 0)
    assert numbers["purge"]["report"] == {"clean": True}
    assert numbers["graph"] == {"resources": 167, "applied": 70, "not_emulated": 97}


def test_every_day_is_named_with_the_day_it_really_was() -> None:
    numbers = report.summary(results())
    assert numbers["live_day"]["day"] == "2026-11-20"
    assert numbers["live_day"]["original_day"] == "2017-12-01"
    assert numbers["history"]["first_day"] == {"day": "2025-12-21", "original_day": "2017-01-01"}


def test_the_night_is_the_shops_own() -> None:
    assert moment(LIVE, MODELLING_AT, "America/New_York") == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert moment(date(2026, 7, 1), MODELLING_AT, "America/New_York") == datetime(2026, 7, 1, 7, tzinfo=UTC)


def test_what_is_left_is_added_up() -> None:
    found = results()
    left = Erased(RECEIPT, 1.0, {}, {"bigtable:events": 2, "log:ingest": 1})
    fields = {name: getattr(found, name) for name in report.Results.__dataclass_fields__} | {"erased": left}
    assert report.summary(report.Results(**fields))["erasure"]["residue"] == 3


def test_the_file_is_the_summary_and_people_see_the_same(tmp_path: Path) -> None:
    numbers = report.summary(results())
    report.write(numbers, tmp_path / "new" / "summary.json")
    assert json.loads((tmp_path / "new" / "summary.json").read_text()) == json.loads(json.dumps(numbers))
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["summary.json"]
    out = StringIO()
    Console(file=out, width=200).print(report.table(numbers))
    for part in (
        "1,002 sent",
        "2,000 events/s",
        "really 2017-12-01",
        "predictor: learned",
        "67 tests",
        "products 0.81",
        "p95 400.0 ms",
        "0.250 over 300 orders",
        "70 applied",
        "2 decisions: 2 the same bit for bit, 0 different, 0 excused, in 0.4 s",
        "12 promised, 5 earned, 2 freed, 1 taken back, 4 open; 989.00 left of 1,000.00",
        "promotion brand_week 12, default consent 7",
        "77 promises held against reservations and events: 0 repaired, 0 left to people",
        "brand_week off pages in 0.91 s",
        "evening_draw 95 tickets, 3 won, 9 void; every winner recomputed; 1 claimed and exported",
        "4,000 decisions: 3,999 the same bit for bit, 0 different, 1 excused",
    ):
        assert part in out.getvalue()


def test_without_known_shoppers_there_is_no_recall() -> None:
    numbers = report.summary(results(recall=None))
    assert numbers["recall_at_10"] is None
    assert dict(report.rows(numbers))["recall@10"].startswith("none over 0 orders")


def test_a_receipt_for_people_says_what_each_store_says() -> None:
    first, store, kept = report.receipt_lines(RECEIPT)
    assert "demo-2026-11-20" in first and "fingerprint 9a9a" in first
    assert store.strip() == "bigtable:events: 46 found, 46 deleted, 0 remaining"
    assert "firestore:erasures until 2031-11-21" in kept


def followed(**changes: int) -> Followed:
    numbers = {"sent": 2, "acknowledged": 2, "stored": 2, "dispatched": 2, "cooled": 2, "lost": 0} | changes
    return Followed(**numbers)


ALL = {"a", "b"}


def test_a_day_that_holds_passes() -> None:
    check(followed(), played(), ALL, ALL, ALL)


@pytest.mark.parametrize(
    ("numbers", "stored", "dispatched", "cooled", "said"),
    [
        (followed(cooled=1, lost=1), ALL, ALL, {"a"}, "1 acknowledged live events are not in BigQuery, the first is b"),
        (followed(stored=1), {"a"}, ALL, ALL, "not in Bigtable"),
        (followed(dispatched=3), ALL, ALL, ALL, "dispatched 3, cooled 2 are not the same"),
        (followed(sent=3), ALL, ALL, ALL, "sent 3, acknowledged 2"),
    ],
)
def test_an_event_that_is_missing_or_too_many_fails_the_demo(
    numbers: Followed, stored: set[str], dispatched: set[str], cooled: set[str], said: str
) -> None:
    with pytest.raises(DemoFailed, match=said):
        check(numbers, played(), stored, dispatched, cooled)


def test_an_answer_that_did_not_count_its_event_fails_the_demo() -> None:
    day = played()
    day.tally.uncounted.append("a")
    day.tally.note("POST /v1/events answered 403 origin-not-allowed")
    with pytest.raises(DemoFailed, match=r"403 origin-not-allowed \(1 times\); 1 experiences did not count"):
        check(followed(), day, ALL, ALL, ALL)


def test_a_page_must_stand_where_the_log_says_unless_a_late_event_moved_it() -> None:
    day = played()
    day.answers |= {
        "a": Answer(node="arrival", decision="a"),
        "b": Answer(node="building", decision="b"),
        "late": Answer(node="arrival", decision="a"),
        "nothing yet": Answer(node="building"),
    }
    decided = {"a": ("arrival", ""), "b": ("arrival", ""), "late": ("building", "")}
    assert compare(day, decided, {"b"}, 1) == Decided(3, 1, 3, 2)
    left_out = decided | {"b": ("arrival", "v1~brand_week")}
    assert compare(day, left_out, set(), 0) == Decided(3, 0, 3, 2), (
        "what was left out of the decision, its version says"
    )
    with pytest.raises(DemoFailed, match="1 pages stood on another node"):
        compare(day, decided, set(), 0)


def test_only_a_late_event_unsettles_and_only_what_is_not_before_it() -> None:
    at = datetime(2026, 11, 20, 18, tzinfo=UTC)

    def visit(customer: str, number: int, ends: datetime) -> Session:
        order = Order(str(number), customer, "330", ends, ends.date(), (Line("1", 1, 1.0, 0.0),))
        return browse(order, Assortment((), {}), at - timedelta(seconds=1))

    quiet = [visit("1", 1, at), visit("1", 2, at + timedelta(hours=1))]
    assert unsettled([quiet, [visit("2", 3, at)]]) == set()
    first, second = visit("3", 4, at), visit("3", 5, at + timedelta(seconds=1))
    late = second.events[0]
    expected = {event.id for event in (*first.events, *second.events) if event.at >= late.at}
    assert late.id in expected
    assert first.events[0].id not in expected or first.events[0].at >= late.at
    assert unsettled([[first, second]]) == expected | {sight_id(event) for event in expected}


def test_a_decision_that_differs_fails_the_demo_and_so_does_a_replay_of_nothing() -> None:
    day = {"retailer": "demo", "decisions": 3, "same": 2, "different": 1, "excused": {}}
    report = {"days": [{**day, "differences": [{"event": "event-7", "differs": ["node_after"]}]}]}
    with pytest.raises(DemoFailed, match=r"1 decisions are not .* the first is event-7 \(node_after\)"):
        check_replay(read(report, "demo", 1.0), report)
    report = {"days": [{**day, "different": 0, "differences": []}]}
    assert check_replay(read(report, "demo", 1.0), report).same == 2
    report = {"days": [{**day, "same": 0, "different": 0, "excused": {"erased": 3}, "differences": []}]}
    with pytest.raises(DemoFailed, match="proves nothing"):
        check_replay(read(report, "demo", 1.0), report)


def test_the_replay_of_a_day_is_due_in_the_night_after_it() -> None:
    assert night_after(LIVE, "Europe/Paris").astimezone(UTC) == datetime(2026, 11, 21, 1, 50, tzinfo=UTC)
