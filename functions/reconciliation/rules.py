"""What reconciliation decides: which hours are due, what is asked of BigQuery, what a comparison's numbers mean. Pure.

An hour is one retailer's arrivals from one full hour to the next. It is compared when what arrived in it should long be
cooled, again after each dispatch, and once more a day later: by then the journal also holds what an instance with a
slow clock noted too late. Dispatches are counted, so that an event which cooling can never take is not sent for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import Any

import msgspec

from layers.events.record import milliseconds, read_row_key
from layers.facts import FACTS, ONE_ROW_AN_EVENT, Table
from layers.privacy.suppression import ErasedAt
from layers.stores.bigquery.port import Parameter
from layers.stores.tables import JOURNAL_DAYS

HOUR = timedelta(hours=1)
SETTLES = timedelta(minutes=15)
"""From an hour's end, or from a dispatch, to the comparison. Pub/Sub gives a message up after about 14 minutes of
failures (infra/messaging.py): what is not cooled by then waits in a dead letter, or was never dispatched."""

SECOND_LOOK = timedelta(days=1)
"""From an hour's end to its last comparison: a bug in cooling has had a working day to be mended."""

KEPT = timedelta(days=JOURNAL_DAYS)

DISPATCHES = 3
"""Of one hour, before its second look."""

LAST_DISPATCHES = 1
"""More, at the second look."""

BATCH = 100_000
"""Events that one statement asks for: 5 MB of text, where BigQuery takes 10 for a request."""

FLOOD = 10_000
"""Events missing in one batch from which it is first asked whether cooling keeps up. If it is down or hours behind,
what is missing waits in a queue, and sending it again would make that queue longer."""

PROBE = timedelta(minutes=5)
"""Of the newest arrivals that should be cooled by now, by which that is told."""

DAYS_APART = 30
"""Runs of days that one statement names; late events may be of any day."""

_DAY = timedelta(days=1)


class Status(StrEnum):
    """Attributes:
    OPEN: compared before its time, by a clock that was ahead of the real one. WAITING: much is missing, and cooling
        does not keep up: nothing was dispatched. DISPATCHED: something was missing, and was dispatched again.
        COMPLETE: all that is stored is cooled. INCOMPLETE: something is missing, and the dispatches are used up.
    """

    OPEN = "open"
    WAITING = "waiting"
    DISPATCHED = "dispatched"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class Hour(msgspec.Struct, frozen=True):
    """What is known of one hour of one retailer, as its document holds it.

    Attributes:
        hour: its start. attempts: comparisons that dispatched. last: the second look is done.
        compared: when, by the clock of the run that did it.
        stored, cooled, missing: as the newest comparison found them. most_missing: as any did.
        dispatched: in all; an event that was dispatched twice counts twice.
    """

    retailer: str
    hour: datetime
    status: Status = Status.OPEN
    attempts: int = 0
    last: bool = False
    compared: datetime | None = None
    stored: int = 0
    cooled: int = 0
    missing: int = 0
    most_missing: int = 0
    dispatched: int = 0

    @property
    def id(self) -> str:
        """Of its document."""
        return f"{self.retailer}_{self.hour:%Y%m%d%H}"

    @property
    def end(self) -> datetime:
        return self.hour + HOUR

    def document(self) -> dict[str, Any]:
        return {**msgspec.structs.asdict(self), "status": self.status.value}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Hour:
        """Raises:
        msgspec.ValidationError: a document of another version of this function.
        """
        return msgspec.convert(data, cls)


def hours(now: datetime) -> list[datetime]:
    """Starts of the hours that may be compared: over for long enough, and whole in the journal; the oldest first."""
    newest = (now - SETTLES).astimezone(UTC).replace(minute=0, second=0, microsecond=0) - HOUR
    count = (newest - (now - KEPT)) // HOUR + 1
    return [newest - HOUR * back for back in reversed(range(count))]


def is_due(known: Hour, now: datetime) -> bool:
    """Of an hour that `hours` gave for `now`."""
    if known.compared is None or known.status in (Status.OPEN, Status.WAITING):
        return True
    if known.status is Status.DISPATCHED:
        return now >= known.compared + SETTLES
    return not known.last and now >= known.end + SECOND_LOOK


def may_dispatch(known: Hour, now: datetime) -> bool:
    """Whether what is missing is dispatched once more."""
    return known.attempts < DISPATCHES + (LAST_DISPATCHES if now >= known.end + SECOND_LOOK else 0)


@dataclass(slots=True)
class Counts:
    """What a comparison has found so far. Only what stands in Bigtable is stored: what the journal names beside that
    was never acknowledged, or was erased or purged since. What is erased and stands there still counts as gone.

    Attributes:
        held: of the missing, not dispatched because cooling does not keep up.
    """

    cooled: int = 0
    missing: int = 0
    dispatched: int = 0
    held: int = 0

    @property
    def stored(self) -> int:
        return self.cooled + self.missing


def keeps_up(cooled: int, asked: int) -> bool:
    """Whether cooling does, by the newest arrivals that it should have taken; where nothing came, nothing is behind."""
    return 2 * cooled >= asked


def claimed(known: Hour, clock: datetime) -> Hour:
    """Before the first event of a dispatch: a run that is killed half-way has used an attempt."""
    return msgspec.structs.replace(known, status=Status.DISPATCHED, attempts=known.attempts + 1, compared=clock)


def concluded(known: Hour, found: Counts, clock: datetime) -> Hour:
    """After a comparison.

    Args:
        known: with the dispatch claimed, if there was one. clock: the run's, but never ahead of the real one: nothing
            is settled before its time has really come.
    """
    if found.dispatched:
        status = Status.DISPATCHED
    elif found.held:
        status = Status.WAITING
    elif clock < known.end + SETTLES:
        status = Status.OPEN
    else:
        status = Status.INCOMPLETE if found.missing else Status.COMPLETE
    settled = status in (Status.COMPLETE, Status.INCOMPLETE)
    return msgspec.structs.replace(
        known,
        status=status,
        last=known.last or (settled and clock >= known.end + SECOND_LOOK),
        compared=clock,
        stored=found.stored,
        cooled=found.cooled,
        missing=found.missing,
        most_missing=max(known.most_missing, found.missing),
        dispatched=known.dispatched + found.dispatched,
    )


DIGITS = 32
"""Of a digest: 128 bits."""


def identity(key: bytes) -> tuple[str, date]:
    """What tells an event apart in the warehouse, from its row key in Bigtable: a digest of `<event id>#<ms>`, and its
    partition's day. Two copies with one id and time are one event, as in the view that counts it.

    A digest, since BigQuery keeps what a statement was bound with for half a year, out of reach of any erasure
    (`infra/decisions/0012`); it is also shorter than most ids.

    Raises:
        CorruptRecord: not a row key of `events`.
    """
    at = read_row_key(key)[1]
    named = f"{key.rpartition(b'#')[2].decode()}#{milliseconds(at)}"
    return sha256(named.encode()).hexdigest()[:DIGITS], at.date()


def not_erased(keys: Iterable[bytes], erased_at: ErasedAt) -> list[bytes]:
    """Row keys without those of events that an erasure covers: cooling refuses them, and no dispatch may bring them
    back.
    """
    kept = []
    for key in keys:
        shopper, at = read_row_key(key)
        erased = erased_at(shopper)
        if erased is None or at > erased:
            kept.append(key)
    return kept


async def batches(lists: AsyncIterator[Sequence[bytes]], most: int) -> AsyncIterator[set[bytes]]:
    """Row keys, up to `most` at a time, each once in its batch."""
    batch: set[bytes] = set()
    async for keys in lists:
        for key in keys:
            batch.add(key)
            if len(batch) == most:
                yield batch
                batch = set()
    if batch:
        yield batch


def day_runs(days: Iterable[date]) -> list[tuple[datetime, datetime]]:
    """The fewest spans of time, each from midnight to midnight UTC, that hold exactly these days."""
    known = sorted(set(days))
    starts = [day for before, day in pairwise([date.min, *known]) if day - before > _DAY]
    ends = [day for day, after in pairwise([*known, date.max]) if after - day > _DAY]
    return [(_midnight(first), _midnight(last) + _DAY) for first, last in zip(starts, ends, strict=True)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def questions(keys: Iterable[bytes]) -> Iterator[dict[str, bytes]]:
    """Events that one statement may ask for: few enough spans of days. Row key by identity."""
    by_day: dict[date, dict[str, bytes]] = {}
    for key in keys:
        named, day = identity(key)
        by_day.setdefault(day, {})[named] = key
    asked: dict[str, bytes] = {}
    runs = 0
    before = date.min
    for day in sorted(by_day):
        apart = day - before > _DAY
        if apart and runs == DAYS_APART:
            yield asked
            asked, runs = {}, 0
        runs += apart
        asked |= by_day[day]
        before = day
    if asked:
        yield asked


_LINES: dict[str, Table] = {table.beside: table for table in FACTS if table.beside}
"""By table: the one in which its events have further rows."""


def missing_sql(dataset: str, spans: Sequence[tuple[datetime, datetime]]) -> str:
    """Those of `@named` that are not cooled. An order is cooled when all of its lines are.

    One text with commas, where an array of strings would do too: the same question took the emulator 0.3 s instead of
    16, and its request is a third smaller.

    Args:
        dataset: `project.dataset`. spans: of time, in which the events are; partitions outside are not read.
    """

    def within(alias: str) -> str:
        each = (f"{alias}.`at` >= @from_{n} AND {alias}.`at` < @until_{n}" for n in range(len(spans)))
        return f"({' OR '.join(each)})"

    identity = "CONCAT(e.event_id, '#', CAST(UNIX_MILLIS(e.`at`) AS STRING))"
    found = f"SELECT SUBSTR(TO_HEX(SHA256({identity})), 1, {DIGITS}) AS named"
    parts = []
    for table in ONE_ROW_AN_EVENT:
        joined = whole = ""
        lines = _LINES.get(table.name)
        if lines is not None:
            # One query of its own, since a line may be cooled twice and count once.
            joined = (
                f" LEFT JOIN (SELECT l.`at`, l.event_id, COUNT(DISTINCT l.position) AS found FROM `{dataset}"
                f".{lines.stored_as}` AS l WHERE {within('l')} GROUP BY l.`at`, l.event_id) AS lines"
                " ON lines.`at` = e.`at` AND lines.event_id = e.event_id"
            )
            whole = " AND COALESCE(lines.found, 0) >= COALESCE(e.line_count, 0)"
        parts.append(f"{found} FROM `{dataset}.{table.stored_as}` AS e{joined} WHERE ({within('e')}){whole}")
    cooled = "\nUNION ALL\n".join(parts)
    return f"SELECT each AS named FROM UNNEST(SPLIT(@named, ',')) AS each\nEXCEPT DISTINCT (\n{cooled}\n)"


def binding(named: Iterable[str], spans: Sequence[tuple[datetime, datetime]]) -> dict[str, Parameter]:
    """What `missing_sql` is bound with."""
    found: dict[str, Parameter] = {"named": ",".join(named)}
    for n, (start, end) in enumerate(spans):
        found |= {f"from_{n}": start, f"until_{n}": end}
    return found


class Line(msgspec.Struct, frozen=True):
    """One hour in the run's report, and in its log; `infra` makes metrics of its numbers."""

    retailer: str
    hour: str
    stored: int
    cooled: int
    missing: int
    dispatched: int
    attempts: int
    status: Status


def line(known: Hour, found: Counts) -> Line:
    """Of an hour that was just compared; `dispatched` is this run's."""
    numbers = (found.stored, found.cooled, found.missing, found.dispatched)
    return Line(known.retailer, text_of(known.hour), *numbers, known.attempts, known.status)


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
