"""What must go and when, and what a report may say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.retention_purge.rules import (
    FURTHEST_AHEAD,
    ClockTooFarAhead,
    Part,
    added_up,
    checked,
    cold_parts,
    cutoff,
    hot_parts,
    journal_cutoff,
    purge_id,
    report,
)
from layers.events.envelope import EventReader
from layers.events.record import read_row_key, row_key
from layers.facts import EVERYWHERE
from layers.retailers import Contract, Retailer, RetentionClass
from layers.stores.bigtable.arrivals import minute_key, read_minute
from layers.stores.collections import COLLECTIONS, ERASURES, FEED_FILES, QUARANTINE, SUPPRESSIONS
from layers.stores.ending import has_ended
from layers.stores.tables import Family, HotTableSpec, hot_tables

NOW = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
MOMENTS = st.integers(0, 10**15).map(lambda us: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))


def shop(id: str, **contract: int) -> Retailer:
    return Retailer(
        id=id, name=id, write_key=f"{id}-w" * 6, read_key=f"{id}-r" * 6, origins=(), contract=Contract(**contract)
    )


CONTRACTS = st.builds(Contract, *[st.integers(1, 3650)] * 5)
_VALID = json.loads((Path(__file__).parents[1] / "examples/events.json").read_text())["valid"]
EXAMPLES: dict[str, dict[str, Any]] = {event["type"]: event for event in _VALID}
LONG, SHORT = shop("long", browsing=395), shop("short", browsing=30, transactions=90)


class TestCutOffs:
    @given(MOMENTS, st.integers(0, 5000))
    def test_an_event_goes_when_its_delay_is_over_and_never_before(self, now: datetime, age_hours: int) -> None:
        at = now - timedelta(hours=age_hours)
        _, kept_as = read_row_key(row_key("short", "01" + "a" * 32, at, "event-one"))
        goes = kept_as < cutoff(SHORT, RetentionClass.BROWSING, now)
        assert goes == (age_hours > 30 * 24)

    @given(MOMENTS)
    def test_every_store_keeps_times_in_whole_milliseconds_at_the_edge(self, now: datetime) -> None:
        edge = cutoff(SHORT, RetentionClass.BROWSING, now)
        assert read_row_key(row_key("short", "01" + "a" * 32, edge, "event-one"))[1] == edge

    def test_every_family_has_the_retailers_own_cut_off_and_not_the_familys(self) -> None:
        parts = {part.store: part for part in hot_parts(hot_tables([LONG, SHORT]), SHORT, NOW)}
        assert parts["bigtable:events/browsing_395d"].cutoff == NOW - timedelta(days=30)
        assert parts["bigtable:events/browsing_30d"].cutoff == NOW - timedelta(days=30)
        assert parts["bigtable:events/transactions_1095d"].cutoff == NOW - timedelta(days=90)
        assert {part.retention for part in parts.values()} == {
            RetentionClass.BROWSING,
            RetentionClass.TRANSACTIONS,
            RetentionClass.CONSENT,
        }

    @given(MOMENTS)
    def test_the_journal_goes_after_days_whole_minutes_only(self, now: datetime) -> None:
        edge = journal_cutoff(now)
        assert timedelta(days=3) <= now - edge < timedelta(days=3, minutes=1)
        assert read_minute(minute_key("short", edge)) == edge

    def test_a_store_that_nobody_has_a_rule_for_is_an_error(self) -> None:
        with pytest.raises(LookupError, match="carts"):
            hot_parts([HotTableSpec("carts", "", ())], LONG, NOW)
        with pytest.raises(LookupError, match="coupons_9d"):
            hot_parts([HotTableSpec("events", "", (Family("coupons_9d"),))], LONG, NOW)

    def test_every_fact_table_is_bound_by_its_class(self) -> None:
        parts = {table.name: moment for table, moment in cold_parts(EVERYWHERE, SHORT, NOW)}
        assert {table.name for table in EVERYWHERE if table.holds_shoppers} <= set(parts)
        assert parts["orders"] == NOW - timedelta(days=90) and parts["page_views"] == NOW - timedelta(days=30)
        assert parts["decisions"] == NOW - timedelta(days=395)


class TestCollections:
    def test_every_collection_ends_or_says_nothing_about_anybody(self) -> None:
        for collection in COLLECTIONS:
            bounded = bool(collection.dated) and (collection.days > 0 or bool(collection.contract))
            assert bounded or not (collection.dated or collection.holds_shoppers), collection.name

    def test_a_document_goes_by_its_own_delay(self) -> None:
        old, new = {"at": NOW - timedelta(days=91)}, {"at": NOW - timedelta(days=89)}
        assert has_ended(QUARANTINE, old, None, NOW) is True
        assert has_ended(QUARANTINE, new, None, NOW) is False
        assert has_ended(FEED_FILES, old, None, NOW) is False, "an object taken again would bring back who was erased"

    def test_a_suppression_goes_by_its_retailers_contract(self) -> None:
        brief = shop("brief", browsing=30, transactions=90, consent=60)
        data = {"retailer": "brief", "since": NOW - timedelta(days=91)}
        assert has_ended(SUPPRESSIONS, data, brief, NOW) is True
        assert has_ended(SUPPRESSIONS, data, LONG, NOW) is False
        assert has_ended(SUPPRESSIONS, data, None, NOW) is None

    @given(MOMENTS, CONTRACTS, st.sampled_from(sorted(EXAMPLES)), st.integers(0, 4_000 * 86_400_000))
    def test_no_event_from_before_an_erasure_is_accepted_once_its_suppression_has_gone(
        self, now: datetime, contract: Contract, kind: str, age_ms: int
    ) -> None:
        at = now - timedelta(milliseconds=age_ms)
        retailer = Retailer(id="any", name="A", write_key="w" * 16, read_key="r" * 16, origins=(), contract=contract)
        reader = EventReader(contract)
        raw = json.dumps({**EXAMPLES[kind], "at": at.isoformat()}).encode()
        event, reason = reader.read(raw, now, reader.limits(now))
        if not isinstance(event, str):
            # The erasure that covers this event and was asked for first: its suppression is the first to go.
            assert has_ended(SUPPRESSIONS, {"retailer": "any", "since": at}, retailer, now) is False
        else:
            assert (event, str(reason)[:10]) == ("$.at", "older than")

    def test_a_request_that_still_runs_stays(self) -> None:
        assert has_ended(ERASURES, {"requested": NOW - timedelta(days=9999)}, None, NOW) is None


class TestClock:
    @given(MOMENTS)
    def test_a_clock_behind_is_taken_and_one_beyond_every_contract_refused(self, now: datetime) -> None:
        assert checked(now - timedelta(days=9), now) == now - timedelta(days=9)
        assert checked(now + FURTHEST_AHEAD, now) == now + FURTHEST_AHEAD
        with pytest.raises(ClockTooFarAhead, match="nothing was"):
            checked(now + FURTHEST_AHEAD + timedelta(seconds=1), now)


class TestReport:
    def test_is_clean_only_if_nothing_expired_is_left(self) -> None:
        clean, left = Part("bigtable:events/browsing_30d", 5, 7, 0), Part("bigquery:cooled_orders", 0, 7, 1)
        assert report(NOW, "short", False, [clean]).clean
        assert not report(NOW, "short", False, [clean, left]).clean

    def test_counts_what_a_killed_run_had_removed(self) -> None:
        made = report(NOW, "short", False, [Part("a", 5, 7, 0), Part("b", 0, 1, 0)])
        assert [part.removed for part in added_up(made, {"a": 8, "b": 0, "gone": 3}).parts] == [8, 0]

    def test_a_run_is_known_by_its_scheduled_time(self) -> None:
        assert purge_id(NOW, "short") == "2026-11-22T02:15:00.000Z:short"
        assert purge_id(NOW, "*") == "2026-11-22T02:15:00.000Z"
