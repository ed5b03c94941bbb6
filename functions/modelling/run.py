"""One run: every retailer's models, one after the other; recorded, and told to whoever scores.

Killed at any line, it may be repeated: what a model makes it makes whole or not at all, the same run makes the same
rows, and the document is written last, so a run that has none is done again. `models-built` may then be published
twice; it names the run, and scoring drops what it has done.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime

import msgspec

from functions.modelling import forgetting
from functions.modelling.room import Room
from functions.modelling.rules import (
    Status,
    Step,
    built_message,
    document,
    document_id,
    learns,
    local_day,
    run_name,
    steps,
    training_days,
    training_share,
    variables,
    verdict,
)
from layers.facts import TRAINED_MODELS
from layers.retailers import Retailer
from layers.shell.log import Severity, failure, log
from layers.stores.collections import MODEL_RUNS


class Report(msgspec.Struct, frozen=True):
    """What a run did for one retailer.

    Attributes:
        troubled: the steps that were not well. bytes: that BigQuery read; the emulator says 0. forgotten: rows of who
            was erased meanwhile. repeated: an earlier run of the same moment had done it.
    """

    retailer: str
    run: str
    status: Status
    models: int = 0
    tests: int = 0
    troubled: tuple[str, ...] = ()
    seconds: float = 0.0
    bytes: int = 0
    forgotten: int = 0
    repeated: bool = False


async def run(room: Room, moment: datetime, only: str | None, training: bool) -> list[Report]:
    """Args:
    moment: that the run is scheduled for. only: a retailer's id, for one alone. training: also make rows to learn from,
        whatever day it is.
    """
    return [await _one(room, each, moment, training) for each in room.registry if only in (None, each.id)]


async def _one(room: Room, retailer: Retailer, moment: datetime, training: bool) -> Report:
    began = time.monotonic()
    report = Report(retailer.id, run_name(moment), Status.FAILED)
    try:
        known = await room.documents.get(MODEL_RUNS, document_id(retailer.id, moment))
        if known is not None and known.data["status"] == Status.BUILT and not training:
            log("INFO", "models were built by this run before", retailer=retailer.id, run=report.run)
            return msgspec.structs.replace(report, status=Status.BUILT, repeated=True)
        report = await _build(room, retailer, moment, training)
    except Exception as error:
        # One retailer's trouble must not cost the others their night.
        failure("a retailer's models could not be built", error)
    report = msgspec.structs.replace(report, seconds=round(time.monotonic() - began, 3))
    told = {**msgspec.to_builtins(report), "troubled": ", ".join(report.troubled)}
    log("INFO" if report.status is Status.BUILT else "ERROR", "models run", **told)
    return report


async def _build(room: Room, retailer: Retailer, moment: datetime, training: bool) -> Report:
    await forgetting.clear(room, retailer)
    as_of = local_day(retailer, moment)
    days, share = list[date](), 1.0
    if training or learns(as_of, await _trained(room, retailer)):
        days = training_days(as_of, retailer.learning)
        share = training_share(await _shoppers(room, retailer), retailer.learning)
    given = variables(retailer, moment, days, share)
    started = datetime.now(UTC)

    def told(name: str, status: str) -> None:
        log("INFO", "model or test ended", retailer=retailer.id, model=name, status=status)

    try:
        ran = await room.builder.build(retailer.dataset, given, told)
    finally:
        await forgetting.clear(room, retailer)
        forgotten = await forgetting.forget(room, retailer, started)
    made = steps(ran.results) if ran.results is not None else []
    status = verdict(ran.succeeded, made)
    for step in made:
        _log(retailer, step)
    if status is Status.BUILT and room.topic is not None:
        await room.topic.publish([built_message(retailer.id, moment)])
    # Last: a run without it is done again, and publishes again.
    kept = document(retailer, moment, status, made, given, datetime.now(UTC))
    await room.documents.put(MODEL_RUNS, document_id(retailer.id, moment), kept)
    return Report(
        retailer.id,
        run_name(moment),
        status,
        models=sum(step.kind == "model" and step.status == "success" for step in made),
        tests=sum(step.kind == "test" for step in made),
        troubled=tuple(step.name for step in made if step.status not in ("success", "pass", "no-op", "skipped")),
        bytes=kept["bytes"],
        forgotten=forgotten,
    )


async def _trained(room: Room, retailer: Retailer) -> str:
    """The version of the newest models; empty where there are none."""
    if TRAINED_MODELS.stored_as not in await asyncio.to_thread(room.warehouse.names, retailer.dataset):
        return ""
    table = f"{room.warehouse.full_name(retailer.dataset)}.{TRAINED_MODELS.stored_as}"
    # A version's name begins with its moment.
    (row,) = await asyncio.to_thread(room.warehouse.query, f"SELECT MAX(m.version) AS version FROM `{table}` AS m")
    return row["version"] or ""


async def _shoppers(room: Room, retailer: Retailer) -> int:
    sql = (
        f"SELECT COUNT(DISTINCT o.shopper) AS shoppers FROM `{room.warehouse.full_name(retailer.dataset)}.orders` AS o"
    )
    (row,) = await asyncio.to_thread(room.warehouse.query, sql)
    return int(row["shoppers"])


def _log(retailer: Retailer, step: Step) -> None:
    if step.kind == "model":
        fields = {"rows": step.rows, "bytes": step.bytes, "seconds": step.seconds}
        log("INFO", "model done", retailer=retailer.id, model=step.name, status=step.status, job=step.job, **fields)
    elif step.status in ("fail", "error", "warn"):
        severity: Severity = "WARNING" if step.status == "warn" else "ERROR"
        log(severity, "a test of the data found rows", retailer=retailer.id, test=step.name, rows=step.rows)
