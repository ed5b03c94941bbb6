"""Reads BigQuery as an analyst would, through the views, and as it lies there, table by table."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from layers.declarations.settings import Settings
from layers.facts import DECISIONS, EVERYWHERE, FACTS, ONE_ROW_AN_EVENT, ColumnType, Table
from layers.retailers import Retailer
from layers.stores.bigquery.warehouse import BigQueryWarehouse


class Cold:
    """A retailer's dataset."""

    def __init__(self, values: Settings, retailer: Retailer) -> None:
        self._warehouse = BigQueryWarehouse.of(values)
        self._retailer = retailer
        self.dataset = self._warehouse.full_name(retailer.dataset)

    def rows(self, sql: str, **parameters: str | int | float | datetime) -> list[dict[str, Any]]:
        return self._warehouse.query(sql, parameters)

    def _number(self, sql: str, **parameters: str | int | float | datetime) -> int:
        return int(self.rows(sql, **parameters)[0]["n"])

    def number(self, expression: str, name: str, where: str = "TRUE") -> int:
        """An aggregate of a table or view."""
        return self._number(f"SELECT {expression} AS n FROM `{self.dataset}.{name}` WHERE {where}")

    def count(self, name: str, where: str = "TRUE") -> int:
        """Rows of a view, each once."""
        return self.number("COUNT(*)", name, where)

    def so_far(self, table: Table) -> int:
        """Rows delivered to a table, copies included: cheap enough to be asked every second while it is written."""
        return self._number(f"SELECT COUNT(*) AS n FROM `{self.dataset}.{table.stored_as}`")

    def events_so_far(self) -> int:
        """Events delivered to the fact tables, copies included."""
        parts = (
            f"SELECT COUNT(*) AS c FROM `{self.dataset}.{t.stored_as}` WHERE position = 0" for t in ONE_ROW_AN_EVENT
        )
        return self._number(f"SELECT SUM(c) AS n FROM ({' UNION ALL '.join(parts)}) AS counts")

    def event_ids(self) -> set[str]:
        """Ids of the distinct events that became facts."""
        parts = (f"SELECT event_id FROM `{self.dataset}.{t.stored_as}` WHERE position = 0" for t in ONE_ROW_AN_EVENT)
        return {
            str(row["event_id"])
            for row in self.rows(f"SELECT DISTINCT event_id FROM ({' UNION ALL '.join(parts)}) AS ids")
        }

    def most_bought(self, before: datetime, days: int, at_most: int) -> list[str]:
        """The products on most orders of the days before a moment, best first."""
        sql = (
            f"SELECT product FROM `{self.dataset}.order_lines` WHERE `at` >= @since AND `at` < @before "
            f"GROUP BY product ORDER BY COUNT(*) DESC, product LIMIT {at_most:d}"
        )
        return [str(row["product"]) for row in self.rows(sql, since=before - timedelta(days=days), before=before)]

    def rows_with(self, text: str) -> dict[str, int]:
        """Rows of each stored table in which some text column holds `text`; only the tables that have any."""
        found: dict[str, int] = {}
        there = self._warehouse.names(self._retailer.dataset)
        for table in EVERYWHERE:
            if table.derived and table.stored_as not in there:
                continue
            columns = [column.name for column in table.columns if column.type is ColumnType.STRING]
            holds = " OR ".join(f"STRPOS({column}, @text) > 0" for column in columns)
            n = self._number(f"SELECT COUNT(*) AS n FROM `{self.dataset}.{table.stored_as}` WHERE {holds}", text=text)
            if n:
                found[table.stored_as] = n
        return found

    def beyond_contract(self, now: datetime) -> int:
        """Rows of all tables that are older than the retailer's contract allows at `now`."""
        total = 0
        for table in (*FACTS, DECISIONS):
            if table.retention is not None:
                oldest = now - timedelta(days=self._retailer.contract.days(table.retention))
                total += self._number(
                    f"SELECT COUNT(*) AS n FROM `{self.dataset}.{table.stored_as}` WHERE `at` < @oldest", oldest=oldest
                )
        return total
