"""The feeds' shell: who delivers, one run each, a report."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.feeds.function import FUNCTION
from functions.feeds.room import Room, make
from functions.feeds.run import run
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time

MARGIN_S = 120
"""Left between the last request of a run and the moment that Cloud Run would end it."""

room = Lazily(make)


@functions_framework.aio.http
async def feeds(request: Request) -> Response:
    """`POST /`, from Cloud Scheduler."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Problem as problem:
        return problem.answer()
    except Exception as error:
        failure("the feeds could not run", error)
        detail = "The run stopped at an error of ours; what was acknowledged stays. The next run goes on from there."
        return Problem(500, "run-stopped", "The feeds could not run", detail).answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Runs for every retailer that delivers; 500 if any file failed, so that Scheduler's monitoring sees it."""
    try:
        scheduled_time(request.headers, now)
    except InvalidSchedule as error:
        raise Problem(400, "schedule", "The run has no clock", str(error)) from None
    until = time.monotonic() + FUNCTION.scale.timeout_s - MARGIN_S
    reports = await asyncio.gather(*(run(retail, now, until) for retail in room.retails))
    for report in reports:
        log(
            "ERROR" if report["failures"] else "INFO",
            "a retailer's deliveries were taken",
            **{name: report[name] for name in ("retailer", "files", "orders", "quarantined", "more", "seconds")},
            failures=len(report["failures"]),
        )
    totals = {name: sum(report[name] for report in reports) for name in ("files", "orders", "events", "quarantined")}
    more = any(report["more"] for report in reports)
    failed = any(report["failures"] for report in reports)
    return json_answer(totals | {"more": more, "retailers": reports}, status=500 if failed else 200)
