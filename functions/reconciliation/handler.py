"""Reconciliation's shell: the run's clock, the answer that its Scheduler job sees."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.reconciliation.room import Room, make
from functions.reconciliation.rules import text_of
from functions.reconciliation.run import run
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time

room = Lazily(make)


@functions_framework.aio.http
async def reconciliation(request: Request) -> Response:
    """`POST /` by Cloud Scheduler; `?dry_run=true` dispatches and records nothing, and tells what it would dispatch."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the reconciliation could not run", error)
        return _again("The reconciliation could not start", {}).answer()


async def answer(request: Request, room: Room, really: datetime) -> Response:
    """Every path to an answer.

    Args:
        really: the real now, for a call that brings no scheduled time.
    """
    try:
        if request.url.path != "/" or request.method != "POST":
            raise Problem(404, "no-such-path", "There is nothing here", "The reconciliation is started with POST /.")
        scheduled, dry_run = _clock(request, really), _dry_run(request)
        lines, broken = await run(room, scheduled, really, dry_run)
        told = {
            "scheduled": text_of(scheduled),
            "dry_run": dry_run,
            "missing": sum(line.missing for line in lines),
            "dispatched": sum(line.dispatched for line in lines),
            "hours": msgspec.to_builtins(lines),
        }
        if broken:
            raise _again("The reconciliation broke off for some retailers", {**told, "broken": broken})
        if not dry_run:
            log("INFO", "all reconciled", hours=len(lines), missing=told["missing"], dispatched=told["dispatched"])
        return json_answer(told)
    except Problem as problem:
        return problem.answer()


def _clock(request: Request, really: datetime) -> datetime:
    try:
        return scheduled_time(request.headers, really)
    except InvalidSchedule as error:
        raise Problem(400, "wrong-clock", "The run has no clock to go by", f"{error}") from None


def _dry_run(request: Request) -> bool:
    said = request.query_params.get("dry_run", "false")
    if said not in ("true", "false"):
        raise Problem(
            400,
            "invalid-dry-run",
            "`dry_run` is true or false",
            "Nothing was dispatched. Say true, false, or leave it out.",
        )
    return said == "true"


def _again(title: str, more: dict[str, object]) -> Problem:
    return Problem(
        503,
        "try-again",
        title,
        "A store could not be reached. What was compared is recorded; the next run compares the rest.",
        retry_after_s=60,
        more=more,
    )
