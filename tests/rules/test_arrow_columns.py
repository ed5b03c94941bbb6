"""NUMERIC columns: the cheap way gives what the exact way gives."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from layers.facts import Column, ColumnType, Table
from layers.stores.bigquery.arrow import record_batch

TABLE = Table("amounts", "", (Column("amount", ColumnType.NUMERIC, ""),), None)
_NINE = Decimal(1).scaleb(-9)


def stored(values: list[float | None]) -> list[Decimal | None]:
    found: list[Decimal | None] = record_batch(TABLE, {"amount": values}).column("amount").to_pylist()
    return found


def written(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_NINE)


amounts = st.decimals(0, 10_000_000, places=9).map(float) | st.decimals(-1_000_000, 1_000_000, places=2).map(float)


@given(st.lists(amounts | st.none(), min_size=1, max_size=20))
def test_amounts_are_kept_to_the_ninth_place(values: list[float | None]) -> None:
    assert stored(values) == [None if value is None else written(value) for value in values]


def test_a_large_quantity_beside_small_ones() -> None:
    assert stored([9_999_999.9, 0.1, None]) == [Decimal("9999999.9"), Decimal("0.1"), None]


def test_decimals_and_integers_are_taken_too() -> None:
    exact = record_batch(TABLE, {"amount": [Decimal("0.1"), 7, 1e-9]}).column("amount").to_pylist()
    assert exact == [Decimal("0.1"), Decimal(7), Decimal("0.000000001")]
