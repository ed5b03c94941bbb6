"""Which hours are due, how often something is dispatched, and what BigQuery is asked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.reconciliation.rules import (
    DAYS_APART,
    DISPATCHES,
    HOUR,
    KEPT,
    LAST_DISPATCHES,
    SECOND_LOOK,
    SETTLES,
    Counts,
    Hour,
    Status,
    batches,
    binding,
    claimed,
    concluded,
    day_runs,
    hours,
    identity,
    is_due,
    keeps_up,
    line,
    may_dispatch,
    missing_sql,
    questions,
)
from layers.events.model import EVENT_TYPES, type_name
from layers.events.record import CorruptRecord, milliseconds, row_key
from layers.facts import FACTS, ONE_ROW_AN_EVENT
from layers.stores.collections import RECONCILIATIONS

MOMENTS = st.integers(0, 87 * 10**14).map(lambda us: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
"""Until 2285: as far as a row key's thirteen digits reach."""
START = datetime(2026, 11, 22, 10, tzinfo=UTC)
END = START + HOUR
NEW = Hour("demo", START)
ANNE, BERT = ("01" + letter * 32 for letter in "ab")


class TestHours:
    @given(MOMENTS)
    def test_are_whole_long_over_and_wholly_in_the_journal(self, now: datetime) -> None:
        found = hours(now)
        assert all((hour.minute, hour.second, hour.microsecond) == (0, 0, 0) for hour in found)
        assert all(after - before == HOUR for before, after in pairwise(found))
        assert found[-1] + HOUR + SETTLES <= now < found[-1] + 2 * HOUR + SETTLES
        assert found[0] >= now - KEPT > found[0] - HOUR

    def test_come_in_time_whatever_the_zone_of_the_clock(self) -> None:
        zone = datetime.fromisoformat("2026-11-22T13:47:00+02:30")
        assert hours(zone)[-1] == START and hours(zone) == hours(zone.astimezone(UTC))


class TestDue:
    def test_a_new_hour_and_what_was_dispatched_once_it_had_time_to_be_cooled(self) -> None:
        dispatched = claimed(NEW, END + SETTLES)
        assert is_due(NEW, END + SETTLES)
        assert not is_due(dispatched, END + SETTLES), "Scheduler's retry of the same run"
        assert not is_due(dispatched, END + 2 * SETTLES - timedelta(seconds=1))
        assert is_due(dispatched, END + 2 * SETTLES)

    def test_a_settled_hour_once_more_a_day_later_and_then_never(self) -> None:
        first = concluded(NEW, Counts(cooled=5), END + SETTLES)
        assert (first.status, first.last) == (Status.COMPLETE, False)
        assert not is_due(first, END + SECOND_LOOK - timedelta(seconds=1)) and is_due(first, END + SECOND_LOOK)
        second = concluded(first, Counts(cooled=5), END + SECOND_LOOK)
        assert second.last and not is_due(second, END + KEPT)

    @given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=80), st.integers(0, 90))
    def test_whatever_is_found_an_hour_ends_after_a_few_dispatches(
        self, found: list[tuple[int, bool]], late_minutes: int
    ) -> None:
        """Runs each hour for days; of each, how many are missing, and whether cooling is behind."""
        known, sent = NEW, 0
        now = END + SETTLES + timedelta(minutes=late_minutes)
        for missing, behind in found:
            if now < known.hour + KEPT and is_due(known, now):
                counts = Counts(cooled=1, missing=missing)
                if missing and may_dispatch(known, now):
                    if behind:
                        counts.held = missing
                    else:
                        known = claimed(known, now)
                        counts.dispatched = missing
                        sent += 1
                known = concluded(known, counts, now)
                assert known.attempts == sent and known.stored == 1 + missing
            now += HOUR
        assert sent <= DISPATCHES + LAST_DISPATCHES
        settled = known.status in (Status.COMPLETE, Status.INCOMPLETE)
        assert not known.last or settled, "nothing is given up without a word"
        if known.status is Status.INCOMPLETE:
            assert sent >= DISPATCHES and known.missing

    def test_a_poison_event_is_dispatched_thrice_and_once_more_the_day_after(self) -> None:
        known, now, told = NEW, END + timedelta(minutes=17), list[Status]()
        while now < START + KEPT:
            if is_due(known, now):
                counts = Counts(cooled=9, missing=1)
                if may_dispatch(known, now):
                    known = claimed(known, now)
                    counts.dispatched = 1
                known = concluded(known, counts, now)
                told.append(known.status)
            now += HOUR
        thrice = [Status.DISPATCHED] * 3
        assert told == [*thrice, Status.INCOMPLETE, Status.DISPATCHED, Status.INCOMPLETE]
        assert (known.attempts, known.dispatched, known.missing, known.most_missing, known.last) == (4, 4, 1, 1, True)

    def test_a_clock_ahead_of_the_real_one_settles_nothing(self) -> None:
        early = concluded(NEW, Counts(), START + timedelta(minutes=30))
        assert (early.status, early.last) == (Status.OPEN, False) and is_due(early, END + SETTLES)

    def test_a_flood_that_is_held_uses_no_attempt_and_is_looked_at_again(self) -> None:
        held = concluded(NEW, Counts(cooled=1, missing=20_000, held=20_000), END + SETTLES)
        assert (held.status, held.attempts, held.last) == (Status.WAITING, 0, False)
        assert is_due(held, END + SETTLES + HOUR)

    def test_cooling_keeps_up_if_it_took_half_of_the_newest_or_there_are_none(self) -> None:
        assert keeps_up(0, 0) and keeps_up(5, 10) and not keeps_up(4, 10)


class TestDocument:
    @given(MOMENTS, st.sampled_from(Status), st.booleans(), st.none() | MOMENTS, st.integers(0, 10**9))
    def test_comes_back_as_it_went(
        self, hour: datetime, status: Status, last: bool, compared: datetime | None, number: int
    ) -> None:
        known = Hour("demo", hour, status, 2, last, compared, number, number, number, number, number)
        assert Hour.of(known.document()) == known

    def test_is_one_an_hour_and_retailer_and_is_forgotten_by_its_hour(self) -> None:
        ids = {Hour(retailer, START + HOUR * n).id for retailer in ("demo", "other") for n in range(48)}
        assert len(ids) == 96 and NEW.id == "demo_2026112210"
        assert NEW.document()[RECONCILIATIONS.dated] == START and RECONCILIATIONS.days >= KEPT.days

    def test_names_nobody(self) -> None:
        values = msgspec.to_builtins(claimed(NEW, END)).values()
        assert not RECONCILIATIONS.holds_shoppers
        assert all(
            isinstance(value, int) or value in ("demo", "dispatched") or "2026" in str(value) for value in values
        )

    def test_its_line_tells_what_this_run_did(self) -> None:
        counts = Counts(cooled=7, missing=2, dispatched=2)
        after = concluded(claimed(claimed(NEW, END), END), counts, END + SETTLES)
        assert msgspec.to_builtins(line(after, counts)) == {
            "retailer": "demo",
            "hour": "2026-11-22T10:00:00Z",
            "stored": 9,
            "cooled": 7,
            "missing": 2,
            "dispatched": 2,
            "attempts": 2,
            "status": "dispatched",
        }


class TestIdentity:
    @given(MOMENTS, st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_-]{7,63}\Z"))
    def test_is_the_id_and_the_millisecond_and_the_day_that_bigquery_sees(self, at: datetime, id: str) -> None:
        named, day = identity(row_key("demo", ANNE, at, id))
        assert named == sha256(f"{id}#{milliseconds(at)}".encode()).hexdigest()[:32]
        # UNIX_MILLIS rounds down; the partition is the day of the time itself.
        assert milliseconds(at) == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        assert day == at.date()

    def test_what_is_no_row_key_says_so(self) -> None:
        with pytest.raises(CorruptRecord):
            identity(b"demo#nonsense")


class TestBatches:
    @given(st.lists(st.lists(st.integers(0, 30).map(lambda n: b"%d" % n))), st.integers(1, 7))
    async def test_hold_every_key_and_few_at_a_time(self, lists: list[list[bytes]], most: int) -> None:
        async def journal() -> AsyncIterator[Sequence[bytes]]:
            for keys in lists:
                yield keys

        found = [batch async for batch in batches(journal(), most)]
        assert set().union(*found) == {key for keys in lists for key in keys}
        assert all(0 < len(batch) <= most for batch in found)
        assert all(len(batch) == most for batch in found[:-1])


DAYS = st.lists(st.integers(0, 400).map(lambda n: date(2026, 1, 1) + timedelta(days=n)), min_size=1)


class TestQuestions:
    @given(DAYS)
    def test_spans_hold_exactly_the_days_and_never_touch(self, days: list[date]) -> None:
        spans = day_runs(days)
        held = [
            start.date() + timedelta(days=n) for start, end in spans for n in range((end - start) // timedelta(days=1))
        ]
        assert held == sorted(set(days))
        assert all(start - end >= timedelta(days=1) for (_, end), (start, _) in pairwise(spans))

    @given(DAYS)
    def test_ask_for_each_event_once_and_for_few_spans_at_a_time(self, days: list[date]) -> None:
        keys = [
            row_key("demo", ANNE, datetime(day.year, day.month, day.day, 12, tzinfo=UTC), f"event-{n:04d}")
            for n, day in enumerate(days)
        ]
        asked = list(questions(keys))
        assert sorted(key for one in asked for key in one.values()) == sorted(keys)
        for one in asked:
            assert all(identity(key)[0] == named for named, key in one.items())
            assert len(day_runs(identity(key)[1] for key in one.values())) <= DAYS_APART
        assert len(asked) <= len(day_runs(days)) // DAYS_APART + 1

    def test_days_that_lie_apart_are_asked_for_in_several_statements(self) -> None:
        days = [START - timedelta(days=2 * n) for n in range(2 * DAYS_APART + 1)]
        keys = [row_key("demo", ANNE, day, f"event-{n:04d}") for n, day in enumerate(days)]
        assert [len(asked) for asked in questions(keys)] == [DAYS_APART, DAYS_APART, 1]

    def test_one_id_at_one_time_is_one_event_whoever_sent_it(self) -> None:
        keys = [row_key("demo", shopper, START, "event-one") for shopper in (ANNE, BERT)]
        assert [len(one) for one in questions(keys)] == [1]


class TestStatement:
    def test_counts_each_type_of_event_in_exactly_one_table(self) -> None:
        counted = [name for table in ONE_ROW_AN_EVENT for name in table.events]
        assert sorted(counted) == sorted(type_name(event) for event in EVENT_TYPES)

    @given(DAYS)
    def test_binds_every_parameter_and_reads_no_partition_that_it_need_not(self, days: list[date]) -> None:
        spans = day_runs(days)[:DAYS_APART]
        sql, bound = missing_sql("project.retailer_demo", spans), binding(["event-one#1", "event-two#2"], spans)
        assert set(re.findall(r"@(\w+)", sql)) == set(bound)
        assert bound["named"] == "event-one#1,event-two#2"
        assert sql.count(" WHERE ") == len(FACTS) == sql.count("e.`at` >= @from_0") + sql.count("l.`at` >= @from_0")
        assert sql.count("@") == 1 + 2 * len(spans) * len(FACTS), "each table within the spans, and only there"
