"""Step 3: the night before the live day, as production has it. Models of the cold data are built and tested, what
shoppers will do is learned from them, and everybody is scored by what was learned.

Each job is fired as Cloud Scheduler would, at its hour in the shops' own time; what one tells the next goes by Pub/Sub.
With too little history there is nothing to learn: then shoppers are scored by how often they buy, and the demo says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from emulators.shop.background import follow, in_background
from emulators.shop.cold import Cold
from emulators.shop.documents import document
from emulators.shop.hot import shoppers_with_parameters
from emulators.shop.people import must_type
from emulators.shop.screen import Screen
from emulators.shop.stage import DemoFailed, Stage
from layers.facts import TRAINED_MODELS
from layers.learning.features import QUESTIONS
from layers.scoring_runs.ledger import Counts, Status
from layers.scoring_runs.messages import moment_of, name_of
from layers.stores.collections import SCORING_RUNS

MODELLING_AT, TRAINING_AT = clock_time(3), clock_time(4, 45)
SCORED_WITHIN_S = 900.0

LEAST_DAYS = 90
"""Of history, for a night: what is learned from lies 56 days back, and needs a past of its own."""


@dataclass(frozen=True, slots=True)
class Scored:
    """`shoppers` have parameters now, by the run `told`; it took `seconds` from the end of training on.

    Attributes:
        predictor: learned, recency, or mixed. models, tests: that dbt built and ran, in `modelling_s`. learned_s: of
            training. auc: by question, on a day that the models had not seen; empty where nothing could be learned.
    """

    shoppers: int
    seconds: float
    told: str
    predictor: str
    models: int = 0
    tests: int = 0
    modelling_s: float = 0.0
    learned_s: float = 0.0
    auc: Mapping[str, float] = field(default_factory=dict)


def moment(day: date, hour: clock_time, timezone: str) -> datetime:
    """When a job of the night before `day` is due."""
    return datetime.combine(day, hour, ZoneInfo(timezone)).astimezone(UTC)


def night_before(stage: Stage, day: date, screen: Screen) -> Scored:
    """Fires the jobs one after the other; every shopper with an order has parameters afterwards.

    Raises:
        DemoFailed: a job failed, the run did not come to its end, or somebody has no parameters.
    """
    wanted = int(Cold(stage.values, stage.retailer).number("COUNT(DISTINCT shopper)", "orders"))
    built = _fired(
        stage,
        "modelling",
        moment(day, MODELLING_AT, stage.retailer.timezone),
        screen,
        "dbt, models and tests",
        "model or test ended",
    )
    trouble = f"warnings: {', '.join(built['troubled'])}" if built["troubled"] else "all of them hold"
    screen.say(
        f"dbt built {built['models']} models and ran {built['tests']} tests in {built['seconds']:.0f} s: {trouble}"
    )
    learned = _fired(
        stage,
        "training",
        moment(day, TRAINING_AT, stage.retailer.timezone),
        screen,
        "training, questions learned",
        "question learnt",
        len(QUESTIONS),
    )
    auc: dict[str, float] = {}
    if learned["status"] == "trained":
        auc = _auc(stage, learned["version"])
        told = ", ".join(f"{name} {value:.3f}" for name, value in auc.items())
        screen.say(f"learned in {learned['seconds']:.0f} s, judged on a later day that no model had seen; AUC: {told}")
    else:
        in_use = f"those of {learned['version']} are in use" if learned["version"] else "; ".join(learned["reasons"])
        screen.say(f"no new models: {learned['status']} ({in_use})")
    begun = time.monotonic()
    # Without new models the run that modelling began is the night's.
    run = moment_of(learned["scored"] or built["run"])
    with screen.bar("scoring, rows of parameters written", wanted) as bar:
        ended = _ended(stage, run, lambda: bar.at(shoppers_with_parameters(stage.values, stage.retailer.id, run)))
        bar.at(shoppers_with_parameters(stage.values, stage.retailer.id, run))
    found = shoppers_with_parameters(stage.values, stage.retailer.id)
    _check(found, wanted)
    counts = sum((msgspec.convert(group, Counts) for group in ended["groups"].values()), Counts())
    predictor = "recency" if not counts.learned else "learned" if counts.learned >= counts.computed else "mixed"
    told = f"run {ended['version']}, {ended['shards']} shards, {counts.written:,} written, predictor: {predictor}"
    return Scored(
        found,
        time.monotonic() - begun,
        told,
        predictor,
        built["models"],
        built["tests"],
        built["seconds"],
        learned["seconds"],
        auc,
    )


def by_hand(stage: Stage, screen: Screen) -> Scored:
    """Asks for a scoring run of this moment, as a developer does. Modelling's tables are of another day, or were never
    made, so how often they buy is what predicts.

    Raises:
        DemoFailed: it did not come to its end, or somebody has no parameters.
    """
    wanted = int(Cold(stage.values, stage.retailer).number("COUNT(DISTINCT shopper)", "orders"))
    begun = time.monotonic()

    def written() -> int:
        return shoppers_with_parameters(stage.values, stage.retailer.id)

    with screen.bar("scoring, shoppers with parameters", wanted) as bar:
        asked = ("functions.scoring", "run", "--retailer", stage.retailer.id)
        work = in_background(lambda: must_type(stage, "nobody can be personalised", *asked))
        told = follow(work, lambda: bar.at(written()), 2.0)
        seconds = time.monotonic() - begun
        found = written()
        bar.at(found)
    _check(found, wanted)
    return Scored(found, seconds, told, "recency")


def _check(found: int, wanted: int) -> None:
    if found != wanted:
        raise DemoFailed(
            f"{found} shoppers have parameters and {wanted} have bought, so some would be treated as strangers; "
            "see the log of scoring"
        )


def _fired(
    stage: Stage, job: str, at: datetime, screen: Screen, what: str, line: str, total: int | None = None
) -> dict[str, Any]:
    """The retailer's part of a job's report. Progress is counted by a line of the function's log."""
    log, before = stage.logs / f"{job}.log", _lines(stage.logs / f"{job}.log", line)
    with screen.bar(what, total) as bar:
        work = in_background(lambda: stage.report_of(job, at))
        report = follow(work, lambda: bar.at(_lines(log, line) - before), 1.0)
        bar.at(_lines(log, line) - before)
    mine = next((each for each in report["retailers"] if each["retailer"] == stage.retailer.id), None)
    if mine is None or (mine["status"] == "refused" and job == "modelling"):
        raise DemoFailed(
            f"{job} did not do its part for {stage.retailer.id} ({mine or 'nothing is reported of it'}), so nobody is "
            f"scored by what was learned; see its log"
        )
    return dict(mine)


def _lines(log: Any, said: str) -> int:
    return log.read_bytes().count(f'"message":"{said}"'.encode()) if log.is_file() else 0


def _auc(stage: Stage, version: str) -> dict[str, float]:
    cold = Cold(stage.values, stage.retailer)
    sql = f"SELECT m.figures FROM `{cold.dataset}.{TRAINED_MODELS.stored_as}` AS m WHERE m.version = @version LIMIT 1"
    (row,) = cold.rows(sql, version=version)
    figures = msgspec.json.decode(row["figures"], type=dict[str, dict[str, float]])
    return {name: round(each["auc"], 3) for name, each in figures.items()}


def _ended(stage: Stage, run: datetime, look: Callable[[], None]) -> dict[str, Any]:
    """The run's document.

    Raises:
        DemoFailed: it is not done in time.
    """
    until = time.monotonic() + SCORED_WITHIN_S
    while time.monotonic() < until:
        found = document(stage.values, SCORING_RUNS.name, f"{stage.retailer.id}:{name_of(run)}")
        if found is not None and found["status"] == Status.DONE:
            return found
        look()
        time.sleep(1.0)
    raise DemoFailed(
        f"the scoring run of {run} is not done after {SCORED_WITHIN_S:.0f} s, so nobody can be personalised; "
        "see the log of scoring"
    )
