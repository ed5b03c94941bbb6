"""Replay's shell: the run's clock, the answer that its Scheduler job sees."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.replay.room import Room, make
from functions.replay.run import run
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time

room = Lazily(make)


@functions_framework.aio.http
async def replay(request: Request) -> Response:
    """`POST /` by Cloud Scheduler; reads only, so it may be fired at any time, for the day before any moment."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("nothing could be replayed", error)
        return _again("The replay could not start", {}).answer()


async def answer(request: Request, room: Room, really: datetime) -> Response:
    """Every path to an answer.

    Args:
        really: the real now, by which it is told what may still be under way.
    """
    try:
        if request.url.path != "/" or request.method != "POST":
            raise Problem(404, "no-such-path", "There is nothing here", "The replay is started with POST /.")
        try:
            scheduled = scheduled_time(request.headers, really)
        except InvalidSchedule as error:
            raise Problem(400, "wrong-clock", "The run has no clock to go by", f"{error}") from None
        lines, broken = await run(room, scheduled, really)
        told = {
            "scheduled": scheduled.isoformat(),
            "compared": sum(line.compared for line in lines),
            "different": sum(line.different for line in lines),
            "days": msgspec.to_builtins(lines),
        }
        if broken:
            raise _again("The replay broke off for some retailers", {**told, "broken": broken})
        log("INFO", "all replayed", compared=told["compared"], different=told["different"])
        return json_answer(told)
    except Problem as problem:
        return problem.answer()


def _again(title: str, more: dict[str, object]) -> Problem:
    detail = "A store could not be reached, so nothing is said of those days. Fire the job again."
    return Problem(503, "try-again", title, detail, retry_after_s=60, more=more)
