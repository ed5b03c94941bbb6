"""The warehouse in memory, for tests of handlers. The writer passes the same contract suite as BigQuery; SQL is not run
here: a test gives the answers, and what a statement really does is tested on the emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from layers.facts import Table
from layers.stores.bigquery.arrow import record_batch
from layers.stores.bigquery.port import Columns, Job, Parameter, Row, RowsRefused, Unavailable

Answer = list[dict[str, Any]] | Callable[[Mapping[str, Parameter]], list[dict[str, Any]]]


class FakeFacts:
    """Attributes:
    tables: rows by (dataset, table name), duplicates too, as BigQuery would give them back.
    down: while True every call raises Unavailable.
    refuses: of a table and a row, whether BigQuery refuses it.
    tells: whether a refusal says which rows.
    """

    def __init__(self) -> None:
        self.tables: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.down = False
        self.refuses: Callable[[Table, Mapping[str, Any]], bool] = lambda _table, _row: False
        self.tells = True

    async def append(self, dataset: str, table: Table, columns: Columns) -> None:
        rows = record_batch(table, columns).to_pylist()
        if self.down:
            raise Unavailable("the fake is down")
        refused = [index for index, row in enumerate(rows) if self.refuses(table, row)]
        if refused:
            raise RowsRefused(f"{table.name}: rows refused", refused if self.tells else ())
        self.tables.setdefault((dataset, table.name), []).extend(rows)

    def counted(self, dataset: str, table: Table) -> list[dict[str, Any]]:
        """What the table's view shows: each row once."""
        best: dict[tuple[Any, ...], dict[str, Any]] = {}
        order = (*table.newest_by, "received")
        for row in self.tables.get((dataset, table.name), []):
            key = (row["at"], row["event_id"], row["position"])
            if key not in best or [row[name] for name in order] > [best[key][name] for name in order]:
                best[key] = row
        return list(best.values())


class FakeWarehouse:
    """Args:
        answers: by a piece of the statement; the first that the statement contains answers it. For `execute`, as many
            rows as the answer holds are said to have changed.

    Attributes:
        statements: all that was run, with its parameters. replaced: by (dataset, table name).
        there: names of the tables that every dataset holds. down: while True every call raises Unavailable.
    """

    def __init__(self, answers: Mapping[str, Answer] | None = None, project: str = "project") -> None:
        self._answers = dict(answers or {})
        self._project = project
        self.statements: list[tuple[str, dict[str, Parameter]]] = []
        self.replaced: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.there: set[str] = set()
        self.down = False

    def full_name(self, dataset: str) -> str:
        return f"{self._project}.{dataset}"

    def names(self, dataset: str) -> frozenset[str]:
        if self.down:
            raise Unavailable("the fake is down")
        return frozenset(self.there)

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> list[dict[str, Any]]:
        if self.down:
            raise Unavailable("the fake is down")
        self.statements.append((sql, dict(parameters or {})))
        for piece, answer in self._answers.items():
            if piece in sql:
                return answer(parameters or {}) if callable(answer) else list(answer)
        raise LookupError(f"the test gave no answer for this statement: {sql[:200]}")

    def pages(
        self, sql: str, parameters: Mapping[str, Parameter] | None = None, page_size: int | None = 1000
    ) -> Iterator[list[dict[str, Any]]]:
        rows = self.query(sql, parameters)
        size = page_size or max(1, len(rows))
        return (rows[start : start + size] for start in range(0, len(rows), size))

    def execute(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> int:
        return len(self.query(sql, parameters))

    def job(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Job:
        rows = self.query(sql, parameters)
        return Job(f"{self._project}:fake.{len(self.statements)}", len(rows), rows)

    def replace(self, dataset: str, table: Table, rows: Sequence[Row]) -> None:
        if self.down:
            raise Unavailable("the fake is down")
        self.replaced[dataset, table.name] = [dict(row) for row in rows]
