"""What trained models say of a page of shoppers, and the parameters that follow. Pure.

In come the page's rows of the feature tables as Arrow. Does not own the models (`layers.learning`), how features are
computed (functions/modelling/project/models/features), nor thresholds and generosity (`rules`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from functions.scoring.rules import felt, generosity, shown, threshold
from layers.learning import CATEGORIES, CHURN, DISCOVERIES, PRODUCTS, QUESTIONS, Question, TrainedModels
from layers.learning.columns import Numbers
from layers.learning.reading import SCORED, numbers, scoring_columns
from layers.offers.model import ShopperView, Wanted
from layers.offers.tables import view_of
from layers.privacy.pseudonym import LENGTH
from layers.tree.parameters import (
    MAX_CATEGORIES,
    MAX_DISCOVERIES,
    MAX_PRODUCTS,
    PredictedProduct,
    ShopperParameters,
)

STATISTICS = Path(__file__).with_name("statistics.sql").read_text()

TABLES = ("shopper_statistics", *(question.table for question in QUESTIONS))

_PLACE = ("category", "department", "brand")

Row = Mapping[str, Any]


class Outdated(Exception):
    """The tables are of another day than the run's: what they say may not be written under its name."""


class Statistics(msgspec.Struct, frozen=True):
    """One row of `statistics.sql`, as far as parameters need it.

    Attributes:
        q10 to q90: quantiles of a trip's basket value. discount_share: of what was bought, what came off.
    """

    as_of: date
    shopper: str
    trips: int
    trips_28: int
    q10: float
    q25: float
    q50: float
    q60: float
    q75: float
    q90: float
    discount_share: float | None = None
    segment: str | None = None

    @classmethod
    def of(cls, row: Row) -> Statistics:
        """Raises:
        msgspec.MsgspecError: the statement and the code do not fit together.
        """
        return msgspec.convert(dict(row), cls)


@dataclass(frozen=True, slots=True)
class Predictions:
    """By shopper; best first, `probability` in each row. Who is not there is not predicted.

    Attributes:
        promoted: of the products bought before, those that campaigns may promote, also beyond the likeliest.
    """

    products: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    discoveries: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    categories: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    churn: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    promoted: Mapping[str, Sequence[Row]] = field(default_factory=dict)


def columns(question: Question) -> list[str]:
    """To be read of a question's table."""
    place = _PLACE if "product" in question.keys else ()
    return ["as_of", *scoring_columns(question), *place]


def restriction(low: str, high: str) -> str:
    """The rows to score of the shoppers from `low` up to but not including `high`: digits that pseudonyms begin with,
    never a whole one (`Shard.around`). Who reads a log of what was asked for is told of no shopper.

    Not of one day: rows of another must be seen, or a table that was made anew would look like shoppers without any.

    Raises:
        ValueError: no such digits; they would stand in a condition.
    """
    if not (low.isalnum() and high.isalnum() and max(len(low), len(high)) < LENGTH):
        raise ValueError("a range begins and ends with some letters and digits, and with no whole pseudonym")
    return f"{SCORED} AND shopper >= '{low}' AND shopper < '{high}'"


def among(batches: Iterable[Any], question: Question, shoppers: Sequence[str], day: date) -> list[Any]:
    """Of record batches of a question's table the rows of these shoppers; no batch without any.

    Raises:
        Outdated: a row of another day, whoever's.
    """
    found, them = [], pa.array(shoppers, pa.string())
    for batch in batches:
        if set(pc.unique(pc.cast(batch["as_of"], pa.date32())).to_pylist()) - {day}:
            raise Outdated(f"{question.table} holds another day than {day}")
        theirs = batch.filter(pc.is_in(batch["shopper"], them))
        if theirs.num_rows:
            found.append(theirs)
    return found


def predicted(
    models: TrainedModels, tables: Mapping[str, Sequence[Any]], promoted: Collection[str] = ()
) -> Predictions:
    """Args:
    tables: record batches of the run's day, by the name of the question whose table they are of. promoted: products of
        campaigns.
    """
    asked = {
        PRODUCTS.name: (PRODUCTS, models.products, MAX_PRODUCTS, ("product", *_PLACE, *_PRICES)),
        DISCOVERIES.name: (DISCOVERIES, models.discoveries, MAX_DISCOVERIES, ("product", *_PLACE, _PRICES[-1])),
        CATEGORIES.name: (CATEGORIES, models.categories, MAX_CATEGORIES, ("category",)),
        CHURN.name: (CHURN, models.churn, 1, ()),
    }
    found: dict[str, Mapping[str, Sequence[Row]]] = {}
    for name, (question, predict, most, told) in asked.items():
        batches = tables[name]
        if not batches:
            continue
        table = pa.Table.from_batches(batches)
        probability = predict(numbers(table, question.names))
        found[name] = best(table, probability, question.keys[1:], most, told)
        if question is PRODUCTS and promoted:
            kept = pc.is_in(table.column("product"), pa.array(sorted(promoted), pa.string()))
            likely = probability[kept.to_numpy(zero_copy_only=False)]
            found["promoted"] = best(table.filter(kept), likely, question.keys[1:], MOST_WANTED, told)
    return Predictions(**found)


MOST_WANTED = 100
"""Promoted products of one shopper that offers are worked out for: as many as are known of anybody."""

_PRICES = ("usual_price", "clientele_mean_price")


def best(
    table: Any, probability: Numbers, keys: Sequence[str], most: int, told: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The most probable `most` rows of each shopper, equals by `keys`: the columns `told`, and `probability`."""
    rounded = pa.array(np.clip(np.round(probability, 6), 0.0, 1.0))
    kept = table.select(["shopper", *told]).append_column("probability", rounded)
    ties = [(key, "ascending") for key in keys]
    kept = kept.sort_by([("shopper", "ascending"), ("probability", "descending"), *ties])
    if not kept.num_rows:
        return {}
    who = pc.dictionary_encode(kept.column("shopper").combine_chunks()).indices.to_numpy(zero_copy_only=False)
    first = np.concatenate(([True], who[1:] != who[:-1]))
    places = np.arange(len(who))
    within = places - np.maximum.accumulate(np.where(first, places, 0)) < most
    found: dict[str, list[dict[str, Any]]] = {}
    for row in kept.filter(pa.array(within)).to_pylist():
        found.setdefault(row["shopper"], []).append(row)
    return found


def _product(row: Row) -> PredictedProduct:
    price = next((row[name] for name in _PRICES if row.get(name) is not None), None)
    return shown(PredictedProduct(row["product"], row["probability"], price, row["category"], row["brand"]))


def view(statistics: Statistics, found: Predictions) -> ShopperView:
    """What offers are worked out from, where trained models predict."""
    return view_of(
        statistics.shopper,
        msgspec.structs.asdict(statistics),
        [
            Wanted(row["product"], row["probability"], row["category"], row["department"], row["brand"])
            for row in found.promoted.get(statistics.shopper, ())
        ],
    )


def learned(
    statistics: Statistics, found: Predictions, models: TrainedModels, version: str, now: datetime
) -> ShopperParameters:
    """Everything that is stored of one shopper, as trained models predict."""
    who = statistics.shopper
    asked = threshold(statistics.q60).value
    share = statistics.discount_share
    paid = 0.0 if share is None else 1.0 - share
    churn = next((felt(row["probability"]) for row in found.churn.get(who, ())), None)
    return ShopperParameters(
        version=version,
        computed_at=now,
        products=tuple(_product(row) for row in found.products.get(who, ())),
        categories={row["category"]: felt(row["probability"]) for row in found.categories.get(who, ())},
        usual_basket=round(statistics.q50, 2),
        threshold=asked,
        generosity=generosity(statistics.q50, asked, share or 0.0, paid).value,
        trips=statistics.trips,
        discoveries=tuple(_product(row) for row in found.discoveries.get(who, ())),
        churn=churn,
        segment=statistics.segment or "",
        why=(f"predicted by models that learned from purchases before {models.trained_until}",),
    )
