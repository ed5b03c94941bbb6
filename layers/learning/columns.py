"""Rows as columns of numbers: what models read. NaN stands for what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Columns = Mapping[str, NDArray[np.floating[Any]]]
"""One array a feature, all of one length."""


def columns_of(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> Columns:
    """The named columns of `rows`; None becomes NaN.

    Raises:
        KeyError: a row lacks a column, so the rows are not what the model was trained on.
    """
    return {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64) for name in names
    }


def matrix(columns: Columns, names: Sequence[str]) -> NDArray[np.float32]:
    """Rows by features, in the order of `names`, as trees read them.

    Raises:
        KeyError: a column is missing.
        ValueError: the columns are of different lengths.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        raise KeyError(f"columns are missing: {', '.join(missing)}; were the features computed by another version?")
    found = np.empty((len(columns[names[0]]), len(names)), dtype=np.float32, order="F")
    for place, name in enumerate(names):
        if len(columns[name]) != len(found):
            raise ValueError(f"column {name} has {len(columns[name])} rows, {names[0]} has {len(found)}")
        found[:, place] = columns[name]
    return np.ascontiguousarray(found)
