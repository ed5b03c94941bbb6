"""What must go, and what a run says about it: cut-offs, statements, reports. Pure.

Owns the delays' arithmetic. The delays themselves are the retailer's contract (`layers.retailers`) and the collections'
own (`layers.stores.collections`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from layers.facts import Table, moment_sql
from layers.retailers import Retailer, RetentionClass, family
from layers.stores.ending import whole
from layers.stores.tables import ARRIVALS, EVENT_CLASSES, EVENTS, JOURNAL_DAYS, SHOPPERS, HotTableSpec

BATCH = 1000
"""Rows deleted by one call: a run that is killed has done whole batches."""

FURTHEST_AHEAD = timedelta(days=3650)
"""A clock further ahead than the longest contract would remove everything, and nothing removed comes back."""

ACTIVITY = (RetentionClass.BROWSING, RetentionClass.TRANSACTIONS)
"""The classes that a profile is made of: with the last such event, the profile must go. A consent is no activity."""


INACTIVE_DAYS = 3 * 365 + 1
"""Three years, a leap day counted: so long after a shopper's last activity all that it left must go, whatever the
contract says (infra/configuration.py cites the source). The proof of its consent stays as long as its own contract."""


class ClockTooFarAhead(ValueError):
    """The run's clock is further ahead than the longest contract."""


def checked(now: datetime, really: datetime) -> datetime:
    """The run's clock. A scheduled time in the past is fine: it removes less.

    Raises:
        ClockTooFarAhead: see there.
    """
    if now - really > FURTHEST_AHEAD:
        raise ClockTooFarAhead(
            f"the scheduled time is more than {FURTHEST_AHEAD.days} days ahead of the real one, so every contract "
            "would have ended and everything would be removed; nothing was. Fire the job with the right time."
        )
    return now


def cutoff(retailer: Retailer, retention: RetentionClass, now: datetime) -> datetime:
    """What happened before this moment must go; the moment itself may stay, as the readers say too. In whole
    milliseconds, since no store of events keeps a finer time.
    """
    return whole(now - timedelta(days=retailer.contract.days(retention)))


_RETIRED = msgspec.json.Decoder(dict[RetentionClass, tuple[int, ...]])


def retired_delays(text: str) -> dict[RetentionClass, tuple[int, ...]]:
    """Days of former contracts by class, from the environment.

    Raises:
        msgspec.ValidationError: not that; a purge that overlooked a family would prove nothing.
    """
    return _RETIRED.decode(text)


@dataclass(frozen=True, slots=True)
class HotPart:
    """The rows of one family and one retailer. The family is one that any retailer's contract names, or named: a
    contract that was shortened leaves older rows in the family of the former delay.
    """

    family: str
    retention: RetentionClass
    cutoff: datetime

    @property
    def store(self) -> str:
        return f"bigtable:{EVENTS}/{self.family}"


def hot_parts(hot: Iterable[HotTableSpec], retailer: Retailer, now: datetime) -> tuple[HotPart, ...]:
    """Every family of the table `events`, with this retailer's cut-off.

    Raises:
        LookupError: a table without a rule, or a family of no known class: nobody would know when its rows must go.
    """
    parts = []
    for spec in hot:
        if spec.name == EVENTS:
            parts += [
                HotPart(f.name, _class_of(f.name), cutoff(retailer, _class_of(f.name), now)) for f in spec.families
            ]
        elif spec.name not in (ARRIVALS, SHOPPERS):
            raise LookupError(f"Bigtable table {spec.name} has no retention rule; add one in functions/retention_purge")
    return tuple(parts)


def journal_cutoff(now: datetime) -> datetime:
    """What arrived before this minute must go from the journal of arrivals, whatever the contract; a minute is the
    finest time that it keeps.
    """
    return (now - timedelta(days=JOURNAL_DAYS)).replace(second=0, microsecond=0)


def _class_of(name: str) -> RetentionClass:
    for retention in EVENT_CLASSES:
        if name == family(retention, int(name.rpartition("_")[2].removesuffix("d"))):
            return retention
    raise LookupError(f"family {name} is of no retention class; add its rule in functions/retention_purge/rules.py")


def cold_parts(tables: Iterable[Table], retailer: Retailer, now: datetime) -> tuple[tuple[Table, datetime], ...]:
    """Every table that a contract bounds, with its cut-off."""
    return tuple((t, _table_cutoff(retailer, t, t.retention, now)) for t in tables if t.retention is not None)


def _table_cutoff(retailer: Retailer, table: Table, retention: RetentionClass, now: datetime) -> datetime:
    contract = cutoff(retailer, retention, now)
    return contract if table.days is None else max(contract, now - timedelta(days=table.days))


def inactive_since(retailer: Retailer, retention: RetentionClass, now: datetime) -> datetime | None:
    """A shopper without activity from this moment on loses what is older than it. None where the contract is no longer
    than that anyway, so that nothing so old is left; and for the proof of consent.
    """
    if retention is RetentionClass.CONSENT or retailer.contract.days(retention) <= INACTIVE_DAYS:
        return None
    return whole(now - timedelta(days=INACTIVE_DAYS))


def inactive_sql(verb: str, dataset: str, table: Table, tables: Iterable[Table]) -> str:
    """Rows from before `@since` whose shopper did nothing from then on, in any table of activity.

    Args:
        verb: `DELETE`, or `SELECT COUNT(*) AS found`.
    """
    active = " UNION ALL ".join(
        f"SELECT a.shopper FROM `{dataset}.{each.stored_as}` AS a WHERE a.`at` >= @since"
        for each in tables
        if each.retention in ACTIVITY and each.holds_shoppers
    )
    return (
        f"{verb} FROM `{dataset}.{table.stored_as}` AS t "
        f"WHERE {moment_sql(table, 't.')} < @since AND t.shopper NOT IN (SELECT n.shopper FROM ({active}) AS n)"
    )


def count_sql(dataset: str, table: Table) -> str:
    return f"SELECT COUNT(*) AS found FROM `{dataset}.{table.stored_as}` WHERE {moment_sql(table)} < @cutoff"


def delete_sql(dataset: str, table: Table) -> str:
    return f"DELETE FROM `{dataset}.{table.stored_as}` WHERE {moment_sql(table)} < @cutoff"


def kept_sql(dataset: str, table: Table) -> str:
    return f"SELECT COUNT(*) AS kept, MIN({moment_sql(table)}) AS oldest FROM `{dataset}.{table.stored_as}`"


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one store.

    Attributes:
        store: as in an erasure's receipt. removed: rows or documents that went, or in a dry run would go. kept: that
            stay.
        cutoff: RFC 3339. oldest: of what stays, where the store keeps a time.
        expired: of what stays, older than the contract, read after the removal; the proof is that it is 0.
        undated: documents of which nobody can say how old they are.
    """

    store: str
    removed: int
    kept: int
    expired: int
    cutoff: str | None = None
    oldest: str | None = None
    undated: int = 0


def with_inactive(part: Part, left: int) -> Part:
    """A family's part with the rows of the inactive that are left: they were counted as kept."""
    return msgspec.structs.replace(part, kept=part.kept - left, expired=part.expired + left)


class Report(msgspec.Struct, frozen=True):
    """One run over one retailer (or over the collections: retailer `*`).

    Attributes:
        clean: nothing older than the contract is left.
    """

    scheduled: str
    retailer: str
    dry_run: bool
    parts: list[Part]
    clean: bool


def report(scheduled: datetime, retailer: str, dry_run: bool, parts: Sequence[Part]) -> Report:
    return Report(text_of(scheduled), retailer, dry_run, list(parts), all(part.expired == 0 for part in parts))


def added_up(made: Report, removed: Mapping[str, int]) -> Report:
    """With what was removed under this scheduled time in all, by runs that were killed as well.

    Args:
        removed: by store, as the run's document holds it.
    """
    parts = [msgspec.structs.replace(p, removed=removed.get(p.store, p.removed)) for p in made.parts]
    return msgspec.structs.replace(made, parts=parts)


def purge_id(scheduled: datetime, retailer: str) -> str:
    """The document of a run."""
    return text_of(scheduled) if retailer == "*" else f"{text_of(scheduled)}:{retailer}"


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
