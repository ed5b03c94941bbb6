"""What replay decides beside the comparison: which day, which sample, what a day's verdicts add up to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from layers.facts import DECISIONS
from layers.retailers import Retailer
from layers.stores.bigquery.port import Parameter
from layers.stores.tables import EVENT_CLASSES
from layers.tree.decision import Decision
from layers.tree.replaying import Verdict

MOST = 200_000
"""Decisions of a retailer's day that are compared; of more, those of a sample of shoppers. See README for the cost."""

SETTLES = timedelta(minutes=15)
"""From an event's arrival to its decision in BigQuery, at most: Pub/Sub gives a message up after about 14 minutes of
failures (infra/messaging.py)."""

NAMED = 20
"""Differences that are logged one by one, and named in the answer."""

_DIGITS, _FIRST, _PLACES = 4, 3, 29
"""A pseudonym is two digits of its key's version and 32 of a keyed code, as hexadecimal digits: any four of these are a
hash of the shopper already, so BigQuery need not make one."""


class Status(StrEnum):
    """Of a retailer's day.

    Attributes:
        EMPTY: nothing was decided. SAME: everything compared is. DIFFERENT: something is not.
        UNPROVED: nothing differs, and more than half is excused.
    """

    EMPTY = "empty"
    SAME = "same"
    DIFFERENT = "different"
    UNPROVED = "unproved"


def day_before(retailer: Retailer, now: datetime) -> date:
    """The retailer's last whole day."""
    return now.astimezone(ZoneInfo(retailer.timezone)).date() - timedelta(days=1)


def span(retailer: Retailer, day: date) -> tuple[datetime, datetime]:
    """The day's first moment, and the next one's, in UTC."""
    zone = ZoneInfo(retailer.timezone)
    first, after = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
    return first, after


def kept_since(retailer: Retailer, now: datetime) -> datetime:
    """From when on no event is beyond its contract."""
    return now - timedelta(days=min(retailer.contract.days(each) for each in EVENT_CLASSES))


@dataclass(frozen=True, slots=True)
class Sample:
    """Which shoppers are compared: those in whose pseudonym the digits from `place` on are less than `below`.

    Attributes:
        share: of all shoppers.
    """

    place: int
    below: str
    share: float


def sample(decisions: int, day: date, most: int = MOST) -> Sample:
    """The same for a day whenever it is asked for; other shoppers each day."""
    place = _FIRST + day.toordinal() % _PLACES
    if decisions <= most:
        return Sample(place, "g", 1.0)
    all_of = 16**_DIGITS
    below = max(1, all_of * most // decisions)
    return Sample(place, f"{below:0{_DIGITS}x}", below / all_of)


def count_sql(dataset: str) -> str:
    """How many decisions of the day there are.

    Args:
        dataset: `project.dataset`, as below.
    """
    view = f"`{dataset}.{DECISIONS.name}`"
    return f"SELECT COUNT(*) AS found FROM {view} AS d WHERE d.`at` >= @start AND d.`at` < @end"


def decisions_sql(dataset: str) -> str:
    """Those of the sampled shoppers, one shopper after the other."""
    columns = ", ".join(f"d.`{column.name}` AS `{column.name}`" for column in DECISIONS.columns)
    return (
        f"SELECT {columns} FROM `{dataset}.{DECISIONS.name}` AS d WHERE d.`at` >= @start AND d.`at` < @end"
        f" AND SUBSTR(d.shopper, @place, {_DIGITS}) < @below ORDER BY d.shopper, d.`at`, d.event_id"
    )


def binding(start: datetime, end: datetime, chosen: Sample | None = None) -> dict[str, Parameter]:
    bound: dict[str, Parameter] = {"start": start, "end": end}
    return bound if chosen is None else bound | {"place": chosen.place, "below": chosen.below}


def logged(row: Mapping[str, Any]) -> Decision:
    """Raises:
    msgspec.ValidationError: a row that decisioning cannot have made.
    """
    named = {name: value for name, value in row.items() if value is not None}
    return msgspec.convert(named | {"parameters_version": named.get("parameters_version", "")}, Decision)


class Difference(msgspec.Struct, frozen=True):
    """One decision that is not the same; in the answer only, since a log names no event."""

    event: str
    at: datetime
    tree: str
    tree_version: str
    node: str
    differs: tuple[str, ...]


def difference(verdict: Verdict) -> Difference:
    d = verdict.decision
    return Difference(d.event_id, d.at, d.tree, d.tree_version, d.node_after, verdict.differs)


@dataclass(slots=True)
class Counts:
    """What a day's verdicts add up to so far."""

    shoppers: int = 0
    compared: int = 0
    same: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    different: int = 0

    def take(self, verdicts: Sequence[Verdict]) -> list[Difference]:
        """Of one shopper.

        Returns:
            The differences that are new and still to be named.
        """
        self.shoppers += 1
        new = [difference(each) for each in verdicts if each.differs]
        self.compared += len(verdicts)
        self.same += sum(each.same for each in verdicts)
        self.excused.update(each.excuse.value for each in verdicts if each.excuse)
        self.different += len(new)
        named = new[: NAMED - len(self.differences)]
        self.differences += named
        return named

    def status(self) -> Status:
        if self.different:
            return Status.DIFFERENT
        if not self.compared:
            return Status.EMPTY
        return Status.UNPROVED if self.excused.total() * 2 > self.compared else Status.SAME


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One retailer's day in the run's report.

    Attributes:
        decisions: logged for the day. compared: of the shoppers sampled: `same`, `different` and those excused.
    """

    retailer: str
    day: str
    status: Status
    decisions: int
    share: float
    shoppers: int
    compared: int
    same: int
    different: int
    excused: dict[str, int]
    differences: list[Difference]


def line(retailer: Retailer, day: date, decisions: int, chosen: Sample, found: Counts) -> Line:
    return Line(
        retailer=retailer.id,
        day=day.isoformat(),
        status=found.status(),
        decisions=decisions,
        share=round(chosen.share, 6),
        shoppers=found.shoppers,
        compared=found.compared,
        same=found.same,
        different=found.different,
        excused=dict(sorted(found.excused.items())),
        differences=found.differences,
    )
