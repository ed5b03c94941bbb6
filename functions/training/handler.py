"""Training's shell: which retailers are due, their training in a thread, the gate, the shelf; then shoppers are scored
again, by what was learned.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.training.learning import learn
from functions.training.room import Room, make
from functions.training.rules import Status, due, figures_of, judge, rescored, today, version
from layers.learning.training import NothingToLearn
from layers.retailers import Retailer
from layers.scoring_runs.messages import Built, built_message, name_of
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time

room = Lazily(make)


class Report(msgspec.Struct, frozen=True):
    """What a run did for one retailer.

    Attributes:
        version: of what is in use now; empty where nothing is. scored: the name of the scoring run that was asked for.
    """

    retailer: str
    status: Status
    version: str = ""
    reasons: tuple[str, ...] = ()
    scored: str = ""
    seconds: float = 0.0


@functions_framework.aio.http
async def training(request: Request) -> Response:
    """A Cloud Scheduler run; `?force=true` trains whoever is not due and takes models that the gate would refuse."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("training could not run", error)
        return Problem(503, "try-again", "Training did not run", "Something failed; run the job again.").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Trains whoever is due; 503 when one of them failed, so that Scheduler runs it again. A repeated run finds what it
    has done already, and leaves it."""
    try:
        scheduled = scheduled_time(request.headers, now)
    except InvalidSchedule as error:
        return Problem(400, "invalid-schedule", "The run has no clock", str(error)).answer()
    forced = request.query_params.get("force", "false")
    if forced not in ("true", "false"):
        return Problem(400, "wrong-force", "Say true or false", "force is neither; nothing was trained.").answer()
    reports = [await _train(room, retailer, scheduled, forced == "true") for retailer in room.registry]
    failed = any(report.status is Status.FAILED for report in reports)
    return json_answer({"retailers": msgspec.to_builtins(reports)}, status=503 if failed else 200)


async def _train(room: Room, retailer: Retailer, scheduled: datetime, forced: bool) -> Report:
    began = time.monotonic()
    report = Report(retailer.id, Status.FAILED)
    try:
        report = await _one(room, retailer, scheduled, forced)
    except (NothingToLearn, LookupError, ValueError) as error:
        report = msgspec.structs.replace(report, status=Status.NOTHING, reasons=(str(error),))
    except Exception as error:
        # One retailer's trouble must not cost the others their models.
        failure("a retailer's models could not be trained", error)
    report = msgspec.structs.replace(report, seconds=round(time.monotonic() - began, 3))
    told = {**msgspec.to_builtins(report), "reasons": "; ".join(report.reasons)}
    log("INFO" if report.status in (Status.TRAINED, Status.NOT_DUE) else "WARNING", "training ended", **told)
    return report


async def _one(room: Room, retailer: Retailer, scheduled: datetime, forced: bool) -> Report:
    known = await asyncio.to_thread(room.shelf.versions, retailer.dataset)
    name = version(scheduled)
    newest = known[0] if known else None
    if not forced and not due({each.name: each.trained_at for each in known}, scheduled):
        # This run's own: it may have been killed before it told anybody.
        own = newest is not None and newest.name == name
        scored = await _score(room, retailer) if own else ""
        return Report(retailer.id, Status.NOT_DUE, newest.name if newest else "", scored=scored)
    models = await asyncio.to_thread(learn, room, retailer.dataset, name, today(retailer, scheduled), scheduled)
    judgement = judge(figures_of(models), newest.figures if newest else None)
    if not judgement.good and not forced:
        return Report(retailer.id, Status.REFUSED, newest.name if newest else "", judgement.reasons)
    await room.shelf.put(retailer.dataset, models)
    return Report(retailer.id, Status.TRAINED, name, judgement.reasons, await _score(room, retailer))


async def _score(room: Room, retailer: Retailer) -> str:
    """Begins the run that scores by the models just taken into use; its name, empty where there is nothing to score."""
    sql = (
        f"SELECT MAX(s.built) AS built FROM `{room.warehouse.full_name(retailer.dataset)}.shopper_statistics` AS s"
        " WHERE s.purpose = 'score'"
    )
    (row,) = await asyncio.to_thread(room.warehouse.query, sql)
    if row["built"] is None:
        return ""
    run = rescored(row["built"])
    await room.built.publish([built_message(Built(retailer.id, run))])
    return name_of(run)
