"""Trains on the tables of features and scores every shopper, with the code that the functions run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from layers.declarations.settings import Settings
from layers.learning import CATEGORIES, CHURN, DISCOVERIES, PRODUCTS, QUESTIONS, Question, TrainedModels
from layers.learning.reading import LEARNT_FROM, SCORED, numbers, scoring_columns, training_columns, training_rows
from layers.learning.trained import TrainedModel
from layers.learning.training import train
from layers.stores.bigquery.rows import BigQueryRows

Scores = dict[str, dict[str, float]]
"""Of each shopper, by product or category."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """By pseudonym.

    Attributes:
        binary: the product scores of the first member alone: boosted trees with a binary objective. cpu_s: of scoring
            every shopper, reading included.
    """

    models: TrainedModels
    products: Scores
    binary: Scores
    discoveries: Scores
    popular_new: Scores
    churn: dict[str, float]
    categories: Scores
    cpu_s: float
    seconds: float


def predict(values: Settings, dataset: str, cut: date, seed: int, told: Callable[[str], None]) -> Predicted:
    rows = BigQueryRows.of(values)
    models: dict[str, TrainedModel] = {}
    for question in QUESTIONS:
        began = time.monotonic()
        batches = list(rows.batches(dataset, question.table, training_columns(question), LEARNT_FROM))
        learnt = training_rows(question, batches)
        del batches
        models[question.name] = train(question, learnt, seed)
        figures = models[question.name].figures
        told(
            f"{question.name}: {len(learnt):,} rows, {time.monotonic() - began:.0f} s, "
            f"on the newest training day AUC {figures['auc']:.4f}"
        )
    trained = TrainedModels(f"evaluation-{cut}", datetime.now(UTC), cut.isoformat(), models)
    trained = TrainedModels.decode(trained.encode())
    cpu, began = time.process_time(), time.monotonic()
    tables = {question.name: _read(rows, dataset, question) for question in QUESTIONS}
    products = _by_shopper(tables[PRODUCTS.name], PRODUCTS, trained.products)
    found = Predicted(
        trained,
        products,
        {},
        _by_shopper(tables[DISCOVERIES.name], DISCOVERIES, trained.discoveries),
        {},
        {shopper: value[""] for shopper, value in _by_shopper(tables[CHURN.name], CHURN, trained.churn).items()},
        _by_shopper(tables[CATEGORIES.name], CATEGORIES, trained.categories),
        time.process_time() - cpu,
        time.monotonic() - began,
    )
    found.binary.update(
        _by_shopper(tables[PRODUCTS.name], PRODUCTS, lambda columns: _first(models[PRODUCTS.name], columns))
    )
    found.popular_new.update(
        _by_shopper(
            tables[DISCOVERIES.name], DISCOVERIES, lambda columns: np.asarray(columns["clientele_first_purchases_28"])
        )
    )
    return found


def _first(model: TrainedModel, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    alone = TrainedModel(model.question, model.features, model.members[:1])
    return alone.log_odds(columns)


def _read(rows: BigQueryRows, dataset: str, question: Question) -> pa.Table:
    return pa.Table.from_batches(list(rows.batches(dataset, question.table, scoring_columns(question), SCORED)))


def _by_shopper(table: pa.Table, question: Question, score: Callable[[Mapping[str, np.ndarray]], np.ndarray]) -> Scores:
    probabilities = score(numbers(table, question.names))
    things = [key for key in question.keys if key != "shopper"]
    names = table.column(things[0]).to_pylist() if things else [""] * len(table)
    found: Scores = defaultdict(dict)
    for shopper, name, probability in zip(
        table.column("shopper").to_pylist(), names, probabilities.tolist(), strict=True
    ):
        found[shopper][name] = probability
    return dict(found)
