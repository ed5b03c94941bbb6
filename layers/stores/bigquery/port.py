"""What functions need of the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from layers.facts import Table

Value = str | int | float | bool | datetime | Decimal | None
Row = Mapping[str, Value]
Parameter = str | int | float | bool | datetime | Sequence[str]


class FactWriter(Protocol):
    """Appends rows; at least once, so a caller may repeat a call that failed."""

    async def append(self, dataset: str, table: Table, rows: Sequence[Row]) -> None:
        """Durable when it returns.

        Args:
            dataset: the retailer's dataset id. rows: by column name; a missing column is NULL.

        Raises:
            Unavailable: transient; the caller may repeat.
            RowsRefused: no retry can mend it.
        """


class Warehouse(Protocol):
    """Runs SQL. Blocking: a handler calls it through `asyncio.to_thread`."""

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> list[dict[str, Any]]:
        """Rows by column name. `{dataset}` never comes from a request; values are always parameters."""

    def execute(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> int:
        """A DML statement; the number of rows it changed."""

    def replace(self, dataset: str, table: Table, rows: Sequence[Row]) -> None:
        """Puts `rows` in the place of all that the table held, at once."""

    def full_name(self, dataset: str) -> str:
        """`project.dataset`, to be put between backquotes."""


class Unavailable(Exception):
    """The warehouse cannot take it now."""


class RowsRefused(Exception):
    """The warehouse will never take these rows. The message names columns and rules, never a value."""
