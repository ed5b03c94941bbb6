"""The retention purge's shell: the run's clock, the answer that its Scheduler job sees."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.retention_purge.deadlines import tell
from functions.retention_purge.room import Room, make
from functions.retention_purge.rules import ClockTooFarAhead, checked, text_of
from functions.retention_purge.run import run
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure
from layers.shell.schedule import InvalidSchedule, scheduled_time

room = Lazily(make)


@functions_framework.aio.http
async def retention_purge(request: Request) -> Response:
    """`POST /` by Cloud Scheduler; `?dry_run=true` removes nothing and tells what would go."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the purge could not run", error)
        return _again("The purge could not start", {}).answer()


async def answer(request: Request, room: Room, really: datetime) -> Response:
    """Every path to an answer.

    Args:
        really: the real now, for a call that brings no scheduled time, and to judge one that does.
    """
    try:
        if request.url.path != "/" or request.method != "POST":
            raise Problem(404, "no-such-path", "There is nothing here", "The purge is started with POST /.")
        now = _clock(request, really)
        dry_run = _dry_run(request)
        # First, since a purge may take long or break off. It reads only, so a dry run does it too.
        erasures = await tell(room.documents, now)
        reports, broken = await run(room, now, dry_run)
        told = {
            "scheduled": text_of(now),
            "dry_run": dry_run,
            "erasures": erasures,
            "reports": msgspec.to_builtins(reports),
        }
        if broken:
            raise _again("The purge broke off for some retailers", {**told, "broken": broken})
        if not dry_run and not all(report.clean for report in reports):
            raise Problem(
                500,
                "not-clean",
                "Something older than its contract is left",
                "The stores were read again after the removal, and `expired` is above 0. Fire the job again; if it "
                "stays, look at that store.",
                more=told,
            )
        return json_answer({**told, "clean": all(report.clean for report in reports)})
    except Problem as problem:
        return problem.answer()


def _clock(request: Request, really: datetime) -> datetime:
    try:
        return checked(scheduled_time(request.headers, really), really)
    except (InvalidSchedule, ClockTooFarAhead) as error:
        raise Problem(400, "wrong-clock", "The run has no clock to go by", f"{error}") from None


def _dry_run(request: Request) -> bool:
    said = request.query_params.get("dry_run", "false")
    if said not in ("true", "false"):
        raise Problem(
            400,
            "invalid-dry-run",
            "`dry_run` is true or false",
            "Nothing was removed. Say true, false, or leave it out.",
        )
    return said == "true"


def _again(title: str, more: dict[str, object]) -> Problem:
    return Problem(
        503,
        "try-again",
        title,
        "A store could not be reached. What was removed is recorded; fire the job again and the rest follows.",
        retry_after_s=60,
        more=more,
    )
