"""Modelling's shell: the run's clock, the answer that its Scheduler job sees."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.modelling.room import Room, make
from functions.modelling.rules import Status, run_name
from functions.modelling.run import run
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure
from layers.shell.schedule import InvalidSchedule, scheduled_time

room = Lazily(make)


@functions_framework.aio.http
async def modelling(request: Request) -> Response:
    """`POST /` by Cloud Scheduler. `?retailer=ID` builds that one's alone; `?training=true` also makes the rows that
    models learn from, whatever day it is.
    """
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("modelling could not run", error)
        return Problem(503, "try-again", "Modelling did not run", "Something failed; run the job again.").answer()


async def answer(request: Request, room: Room, really: datetime) -> Response:
    """Every path to an answer. A test of the data that failed is no error of the run: repeated, it would fail again.

    Args:
        really: the real now, for a call that brings no scheduled time.
    """
    try:
        if request.url.path != "/" or request.method != "POST":
            raise Problem(404, "no-such-path", "There is nothing here", "Modelling is started with POST /.")
        moment = _clock(request, really)
        reports = await run(room, moment, _retailer(request, room), _training(request))
        told = {"run": run_name(moment), "retailers": msgspec.to_builtins(reports)}
        if any(report.status is Status.FAILED for report in reports):
            raise Problem(
                503,
                "try-again",
                "The models of some retailers could not be built",
                "Their shoppers keep what an earlier night made. Run the job again: what is built is not built twice.",
                retry_after_s=60,
                more=told,
            )
        return json_answer(told)
    except Problem as problem:
        return problem.answer()


def _clock(request: Request, really: datetime) -> datetime:
    try:
        # Whole seconds: the run's name has no finer ones.
        return scheduled_time(request.headers, really).replace(microsecond=0)
    except InvalidSchedule as error:
        raise Problem(400, "wrong-clock", "The run has no clock to go by", f"{error}") from None


def _retailer(request: Request, room: Room) -> str | None:
    asked = request.query_params.get("retailer")
    if asked is not None and asked not in room.registry.by_id:
        raise Problem(
            400, "unknown-retailer", "There is no such retailer", "Nothing was built. Say the id of one of this stack."
        )
    return asked


def _training(request: Request) -> bool:
    said = request.query_params.get("training", "false")
    if said not in ("true", "false"):
        raise Problem(
            400,
            "invalid-training",
            "`training` is true or false",
            "Nothing was built. Say one of them, or leave it out.",
        )
    return said == "true"
