"""Which predictor a run has, and a shard's pages as trained models predict them. Blocking: called in a thread.

Models predict where there are some that this code can read and modelling's tables are of the run's day; else shoppers
are scored by how often they buy (`parameters.sql`), and the run says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from functions.scoring.predicting import (
    STATISTICS,
    TABLES,
    Outdated,
    Predictions,
    Statistics,
    among,
    columns,
    predicted,
    restriction,
)
from functions.scoring.room import Sources
from layers.facts import TRAINED_MODELS
from layers.learning import QUESTIONS, TrainedModels, UnreadableModels
from layers.retailers import AbsentConsent, Retailer
from layers.scoring_runs.shards import Shard
from layers.stores.bigquery.port import Parameter

KEY = "s.shopper"
FELL_BACK = "fell back to recency"
"""The message of the log line that stands for models which are there and could not be used; an alarm stands on it."""
LATE_CONSENTS = timedelta(days=32)
"""What is cooled after the tables were built happened at most so long before: a dead letter lies for 31 days. Without
this bound every shard would read the consents of the whole clientele: at 50 million shoppers some 14 TB a night."""

_VERSION = 2
"""Digits of a pseudonym that name its key's version: between two versions lie other shards' shoppers."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Attributes:
    models: their version; empty where how often they buy is what predicts. why: in words.
    fell_back: there are models, and they cannot be used.
    """

    models: str
    why: str
    fell_back: bool = False

    @property
    def predictor(self) -> str:
        return "learned" if self.models else "recency"


def local_day(retailer: Retailer, run: datetime) -> date:
    """The day that modelling's tables are of, where it made them for this run."""
    return run.astimezone(ZoneInfo(retailer.timezone)).date()


def choose(room: Sources, retailer: Retailer, run: datetime) -> Chosen:
    """Raises:
    Unavailable
    """
    there = room.warehouse.names(retailer.dataset)
    known = room.trained.versions(retailer.dataset) if TRAINED_MODELS.stored_as in there else []
    if not known:
        return Chosen("", "nothing was learned yet")
    missing = set(TABLES) - there
    if missing:
        return Chosen("", f"there is no {min(missing)}", fell_back=True)
    version = known[0].name
    try:
        models = room.trained.read(retailer.dataset, version)
    except UnreadableModels as error:
        return Chosen("", f"models {version} cannot be read: {error}", fell_back=True)
    if models is None or any(question.name not in models.models for question in QUESTIONS):
        return Chosen("", f"models {version} are not whole", fell_back=True)
    day = local_day(retailer, run)
    rows = room.warehouse.query(
        f"SELECT DISTINCT s.as_of FROM `{room.warehouse.full_name(retailer.dataset)}.shopper_statistics` AS s"
        " WHERE s.purpose = 'score'"
    )
    if [row["as_of"] for row in rows] != [day]:
        return Chosen("", f"the models' tables are not of {day}", fell_back=True)
    return Chosen(version, f"models {version}")


Page = tuple[list[Row], Predictions, TrainedModels]


def pages(
    room: Sources,
    retailer: Retailer,
    run: datetime,
    shard: Shard,
    key_versions: Sequence[str],
    version: str,
    size: int,
    promoted: Collection[str] = (),
) -> Iterator[Page]:
    """A shard's shoppers some at a time: rows of statistics, and what models predict of them.

    Args:
        version: of the models. promoted: products that campaigns may promote.

    Raises:
        Outdated: the models are gone, or a table is of another day; what was yielded before holds.
        Unavailable
    """
    try:
        models = room.trained.read(retailer.dataset, version)
    except UnreadableModels as error:
        raise Outdated(f"models {version} cannot be read: {error}") from None
    if models is None:
        raise Outdated(f"models {version} are kept no more")
    dataset = room.warehouse.full_name(retailer.dataset)
    sql = STATISTICS.replace("{dataset}", dataset).replace("{shard}", shard.condition(KEY, key_versions))
    bound: dict[str, Parameter] = {
        "unknown_consent": retailer.absent_consent is AbsentConsent.GRANTED,
        "consents_since": run - LATE_CONSENTS,
    }
    day = local_day(retailer, run)
    known = Counter[str]()
    for page in room.warehouse.pages(sql, bound, size):
        for key_version, group in groupby(page, key=lambda row: row["shopper"][:_VERSION]):
            rows: list[Row] = list(group)
            if any(Statistics.of(row).as_of != day for row in rows):
                raise Outdated(f"shopper_statistics is not of {day}")
            shoppers = sorted(row["shopper"] for row in rows)
            known[key_version] += len(shoppers)
            within = shard.around(shoppers[0], shoppers[-1], known[key_version])
            yield rows, _predicted(room, retailer, models, within, shoppers, day, promoted), models


def _predicted(
    room: Sources,
    retailer: Retailer,
    models: TrainedModels,
    within: tuple[str, str],
    shoppers: Sequence[str],
    day: date,
    promoted: Collection[str],
) -> Predictions:
    of = restriction(*within)
    try:
        tables = {
            question.name: among(
                room.table_rows.batches(retailer.dataset, question.table, columns(question), of),
                question,
                shoppers,
                day,
            )
            for question in QUESTIONS
        }
    except LookupError as error:
        raise Outdated(str(error)) from None
    return predicted(models, tables, promoted)
