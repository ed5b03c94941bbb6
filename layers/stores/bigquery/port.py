"""What functions need of the warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from layers.facts import Table

Value = str | int | float | bool | datetime | Decimal | None
Row = Mapping[str, Value]
Columns = Mapping[str, Sequence[Value]]
"""Rows turned on their side: one sequence a column, all of one length. A column that is not there is NULL. An event
with ten lines costs a few list extensions this way, and a hundred dictionary entries as rows."""
Parameter = str | int | float | bool | datetime | Sequence[str]


class FactWriter(Protocol):
    """Appends rows; at least once, so a caller may repeat a call that failed."""

    async def append(self, dataset: str, table: Table, columns: Columns) -> None:
        """Durable when it returns.

        Args:
            dataset: the retailer's dataset id. columns: NUMERIC ones take float, int or Decimal, kept to nine decimal
                places (BigQuery's own scale); TIMESTAMP ones take datetimes with an offset.

        Raises:
            Unavailable: transient; the caller may repeat.
            RowsRefused: no retry can mend it; nothing of this call was written.
        """


@dataclass(frozen=True, slots=True)
class Job:
    """A statement that ran.

    Attributes:
        id: as the warehouse's own log of jobs names it. changed: rows, of a DML statement. rows: of a query.
    """

    id: str
    changed: int
    rows: list[dict[str, Any]]


class Warehouse(Protocol):
    """Runs SQL. Blocking: a handler calls it through `asyncio.to_thread`.

    Every method raises `Unavailable` where a later call may succeed; a statement that is wrong raises the client's own
    error.
    """

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> list[dict[str, Any]]:
        """Rows by column name. `{dataset}` never comes from a request; values are always parameters."""

    def pages(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None, page_size: int | None = 1000
    ) -> Iterator[list[dict[str, Any]]]:
        """The same rows, some at a time: a result of any size in bounded memory, for one run of the statement."""

    def execute(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> int:
        """A DML statement; the number of rows it changed."""

    def job(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Job:
        """A statement whose job somebody may want to look up afterwards."""

    def replace(self, dataset: str, table: Table, rows: Sequence[Row]) -> None:
        """Puts `rows` in the place of all that the table held, at once."""

    def names(self, dataset: str) -> frozenset[str]:
        """Of the tables and views that a dataset holds now; a derived table may not be there yet."""

    def full_name(self, dataset: str) -> str:
        """`project.dataset`, to be put between backquotes."""


class TableRows(Protocol):
    """Rows of a table in bulk, as Arrow. Blocking."""

    def batches(self, dataset: str, table: str, columns: Sequence[str], restriction: str = "") -> Iterator[Any]:
        """See `layers.stores.bigquery.rows.BigQueryRows.batches`.

        Raises:
            LookupError: no such table. Unavailable
        """


class Unavailable(Exception):
    """The warehouse cannot take it now."""


class RowsRefused(Exception):
    """The warehouse will never take these rows. The message names columns and rules, never a value.

    Attributes:
        rows: which rows of the call, from 0; empty where the warehouse does not say which.
    """

    def __init__(self, message: str, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)
