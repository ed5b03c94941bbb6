"""Arrow batches of a question's table as the rows that models are trained on, or scored with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from layers.learning.features import Question
from layers.learning.training import Rows

LEARNT_FROM = "purpose = 'train' AND target IS NOT NULL"
SCORED = "purpose = 'score'"


def training_columns(question: Question) -> list[str]:
    return ["as_of", *question.keys, question.target, *question.names]


def scoring_columns(question: Question) -> list[str]:
    return [*question.keys, *question.names]


def numbers(table: Any, names: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """The named columns of an Arrow table or batch; null becomes NaN. Four bytes a number, as trees read them."""
    return {name: pc.cast(table.column(name), pa.float32()).to_numpy(zero_copy_only=False) for name in names}


def training_rows(question: Question, batches: Sequence[Any]) -> Rows:
    """In an order of their own, whatever order they came in: else the same rows could train two models.

    Raises:
        ValueError: there is none.
    """
    if not batches:
        raise ValueError(f"{question.table} holds no row to learn from; were the models run with training days?")
    table = pa.Table.from_batches(batches)
    others = [key for key in question.keys if key != "shopper" and key in table.column_names]
    table = table.sort_by([(name, "ascending") for name in ("as_of", "shopper", *others)])
    shoppers = pc.dictionary_encode(table.column("shopper").combine_chunks()).indices
    return Rows(
        numbers(table, question.names),
        pc.cast(pc.cast(table.column("as_of"), pa.date32()), pa.int32()).to_numpy().astype(np.int64),
        shoppers.to_numpy(zero_copy_only=False).astype(np.int64),
        pc.cast(table.column(question.target), pa.float64()).to_numpy(),
    )
