"""The relational facts: every BigQuery table of a retailer's dataset, said once.

From these declarations infra makes the tables and views, cooling makes Arrow batches, erasure and retention know where
a shopper may be. Data only: no SDK.
"""

from layers.facts.derived import DERIVED
from layers.facts.tables import (
    DECISIONS,
    FACTS,
    ONE_ROW_AN_EVENT,
    PRODUCTS,
    TABLES,
    TRAINED_MODELS,
    Column,
    ColumnType,
    Table,
    moment_sql,
    view_sql,
)

EVERYWHERE: tuple[Table, ...] = (*TABLES, *DERIVED)
"""Every table in which something about a shopper may stand, whoever makes it."""

__all__ = [
    "DECISIONS",
    "DERIVED",
    "EVERYWHERE",
    "FACTS",
    "ONE_ROW_AN_EVENT",
    "PRODUCTS",
    "TABLES",
    "TRAINED_MODELS",
    "Column",
    "ColumnType",
    "Table",
    "moment_sql",
    "view_sql",
]
