"""A warehouse in memory that knows the few statements of erasure and retention, and refuses every other.

That BigQuery understands the same statements the same way is the business of `tests/contracts/test_cold_removal.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from typing import Any

from layers.events.record import milliseconds
from layers.facts import Table
from layers.privacy.suppression import DIGITS, digest_sql
from layers.stores.bigquery.port import Job, Parameter, Row, Unavailable

_FROM = r"FROM `contract\.(\w+)\.(\w+)`"
_SHOPPERS = re.compile(_FROM + f" WHERE {re.escape(digest_sql('shopper'))} IN UNNEST" + r"\(@shoppers\)$")
_MOMENT = r"(?:TIMESTAMP_SUB\(TIMESTAMP\((?:t\.)?`(\w+)`\), INTERVAL 14 HOUR\)|(?:t\.)?`(\w+)`)"
_CUTOFF = re.compile(_FROM + f" WHERE {_MOMENT} < @cutoff$")
_INACTIVE = re.compile(
    _FROM + rf" AS t WHERE {_MOMENT} < @since AND t\.shopper NOT IN \(SELECT n\.shopper FROM \((.*)\) AS n\)$"
)
_ERASED = re.compile(_FROM + r" AS t WHERE EXISTS \(SELECT 1 FROM UNNEST\(SPLIT\(@erased, ','\)\) AS each WHERE ")
_ALL = re.compile(_FROM + r"$")


def _digest(prefix: str, shopper: str) -> str:
    return sha256((prefix + shopper).encode()).hexdigest()[:DIGITS]


def _moment(by_day: str, by_time: str) -> Callable[[dict[str, Any]], datetime]:
    """Of a row, by the one or the other column."""
    if by_time:
        return lambda row: row[by_time]
    return lambda row: datetime.combine(row[by_day], time(), UTC) - timedelta(hours=14)


class ColdFacts:
    """Attributes:
    tables: rows by (dataset, stored name); a statement about a table that is not there fails. down: as the others'.
    job_history: what BigQuery keeps of each statement, its parameters among it.
    """

    def __init__(self, dataset: str, tables: Sequence[Table]) -> None:
        self.tables: dict[tuple[str, str], list[dict[str, Any]]] = {(dataset, t.stored_as): [] for t in tables}
        self.down = False
        self.jobs = 0
        self.job_history: list[str] = []

    def names(self, dataset: str) -> frozenset[str]:
        if self.down:
            raise Unavailable("the fake is down")
        return frozenset(name for owner, name in self.tables if owner == dataset)

    def full_name(self, dataset: str) -> str:
        return f"contract.{dataset}"

    def pages(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None, page_size: int | None = 1000
    ) -> Iterator[list[dict[str, Any]]]:
        rows = self.query(sql, parameters)
        yield from (rows[first : first + (page_size or 1)] for first in range(0, len(rows), page_size or 1))

    def replace(self, dataset: str, table: Table, rows: Sequence[Row]) -> None:
        raise AssertionError(f"nothing here replaces {dataset}.{table.name}, least of all by {len(rows)} rows")

    def _select(
        self, sql: str, parameters: Mapping[str, Parameter] | None
    ) -> tuple[list[dict[str, Any]], Callable[[dict[str, Any]], bool]]:
        if self.down:
            raise Unavailable("the fake is down")
        given: Mapping[str, Any] = parameters or {}
        self.job_history.append(f"{sql} {given}")
        if match := _SHOPPERS.search(sql):
            shoppers = set(given["shoppers"])
            return self.tables[match[1], match[2]], lambda row: _digest(given["prefix"], row["shopper"]) in shoppers
        if match := _CUTOFF.search(sql):
            cutoff: datetime = given["cutoff"]
            moment = _moment(match[3], match[4])
            return self.tables[match[1], match[2]], lambda row: moment(row) < cutoff
        if match := _INACTIVE.search(sql):
            since: datetime = given["since"]
            moment = _moment(match[3], match[4])
            read = [self.tables[table] for table in re.findall(_FROM + " AS a", match[5])]
            active = {row["shopper"] for rows in read for row in rows if row["at"] >= since}
            return self.tables[match[1], match[2]], lambda row: moment(row) < since and row["shopper"] not in active
        if match := _ERASED.search(sql):
            until = {each[:32]: int(each[32:]) for each in given["erased"].split(",")}
            prefix: str = given["prefix"]
            ((by_day, by_time),) = re.findall(rf"UNIX_MILLIS\({_MOMENT}\)", sql)
            moment = _moment(by_day, by_time)

            def erased(row: dict[str, Any]) -> bool:
                name = _digest(prefix, row["shopper"])
                return name in until and milliseconds(moment(row)) <= until[name]

            return self.tables[match[1], match[2]], erased
        if match := _ALL.search(sql):
            return self.tables[match[1], match[2]], lambda _: True
        raise AssertionError(f"a statement that this fake does not know: {sql}")

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> list[dict[str, Any]]:
        rows, holds = self._select(sql, parameters)
        found = [row for row in rows if holds(row)]
        if sql.startswith("SELECT COUNT(*) AS found FROM "):
            return [{"found": len(found)}]
        if match := re.match(rf"SELECT COUNT\(\*\) AS kept, MIN\({_MOMENT}\) AS oldest FROM ", sql):
            moment = _moment(match[1], match[2])
            return [{"kept": len(found), "oldest": min((moment(row) for row in found), default=None)}]
        raise AssertionError(f"a statement that this fake does not know: {sql}")

    def execute(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> int:
        assert sql.startswith("DELETE FROM ") and "WHERE" in sql
        rows, holds = self._select(sql, parameters)
        kept = [row for row in rows if not holds(row)]
        gone = len(rows) - len(kept)
        rows[:] = kept
        return gone

    def job(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Job:
        self.jobs += 1
        id = f"contract:fake.job_{self.jobs}"
        if sql.startswith("DELETE"):
            return Job(id, self.execute(sql, parameters), [])
        return Job(id, 0, self.query(sql, parameters))
