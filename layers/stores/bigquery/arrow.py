"""Columns of Python values as Arrow, checked against the table's declaration.

The emulator accepts NULL in a REQUIRED column and a column that no table has, so both are refused here. Does not own
how Arrow travels (`writer`).
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from layers.facts import Column, ColumnType, Table
from layers.stores.bigquery.port import Columns, RowsRefused, Value

NUMERIC = pa.decimal128(38, 9)
_PLACES = Decimal(1).scaleb(-9)

_TYPES: dict[ColumnType, Any] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INT64: pa.int64(),
    ColumnType.FLOAT64: pa.float64(),
    ColumnType.NUMERIC: NUMERIC,
    ColumnType.BOOL: pa.bool_(),
    ColumnType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    ColumnType.DATE: pa.date32(),
}

_EXACT_BELOW = 2.0**22
"""Below it the nearest double is less than half a unit of the ninth place away from the number that was written."""


@cache
def schema(table: Table) -> Any:
    """The Arrow schema of a table's rows, in the order of its declaration."""
    return pa.schema([pa.field(c.name, _TYPES[c.type], nullable=not c.required) for c in table.columns])


def record_batch(table: Table, columns: Columns) -> Any:
    """An Arrow record batch of `columns`.

    Raises:
        RowsRefused: a column that the table does not declare, a value of another type, NULL in a required column.
    """
    unknown = columns.keys() - {column.name for column in table.columns}
    lengths = {len(values) for values in columns.values()}
    if unknown or len(lengths) != 1:
        raise RowsRefused(
            f"{table.name}: columns that the table does not declare ({', '.join(sorted(unknown)) or 'none'}), or "
            f"columns of {len(lengths)} different lengths. Nothing was written; layers/facts/tables.py lists them."
        )
    (length,) = lengths
    return pa.record_batch([_array(table, c, columns.get(c.name), length) for c in table.columns], schema=schema(table))


def _array(table: Table, column: Column, values: Any, length: int) -> Any:
    if values is None:
        values = [None] * length
    try:
        array = _numeric(values) if column.type is ColumnType.NUMERIC else pa.array(values, _TYPES[column.type])
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError):
        raise RowsRefused(
            f"{table.name}.{column.name}: a value that is no {column.type}; nothing was written",
            rows=[index for index, value in enumerate(values) if not _fits(column, value)],
        ) from None
    if column.required and array.null_count:
        raise RowsRefused(
            f"{table.name}.{column.name}: NULL in a required column; nothing was written",
            rows=[index for index, value in enumerate(values) if value is None],
        )
    return array


def _fits(column: Column, value: Value) -> bool:
    try:
        if column.type is ColumnType.NUMERIC:
            _numeric([value])
        else:
            pa.array([value], _TYPES[column.type])
    except (pa.ArrowException, TypeError, ValueError, ArithmeticError):
        return False
    return True


def _numeric(values: Any) -> Any:
    """NUMERIC of numbers, as `Decimal(repr(x))` rounded to nine places.

    A cast from float64 gives the same (a property of the tests) and is ten times cheaper, as long as a double is
    precise enough; beyond that, and for Decimals, each value goes the slow way.
    """
    try:
        floats = pa.array(values, pa.float64())
    except pa.ArrowException:
        floats = None
    if floats is not None:
        ends = pc.min_max(floats)
        if all(abs(end.as_py() or 0.0) < _EXACT_BELOW for end in ends.values()):
            return floats.cast(NUMERIC)
    return pa.array([None if value is None else _decimal(value) for value in values], NUMERIC)


def _decimal(value: Value) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise TypeError("not a number")
    return Decimal(repr(value) if isinstance(value, float) else value).quantize(_PLACES, ROUND_HALF_EVEN)
