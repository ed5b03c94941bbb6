"""The watch's shell: looks at every retailer's newest run, and sends the message again that began a late one."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.scoring_watch.room import Room, make
from functions.scoring_watch.rules import Verdict, judged
from layers.retailers import Retailer
from layers.scoring_runs.messages import Built, built_message, name_of
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time

room = Lazily(make)


class Seen(msgspec.Struct, frozen=True):
    """Attributes:
    run: its name; empty where there was none yet.
    """

    retailer: str
    run: str
    verdict: Verdict


@functions_framework.aio.http
async def scoring_watch(request: Request) -> Response:
    """A Cloud Scheduler run."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the watch could not look", error)
        return Problem(503, "try-again", "Nothing was watched", "Something failed; run the job again.").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Looks at every retailer; 503 when one could not be looked at, so that Scheduler runs it again."""
    try:
        scheduled = scheduled_time(request.headers, now)
    except InvalidSchedule as error:
        return Problem(400, "invalid-schedule", "The run has no clock", str(error)).answer()
    seen: list[Seen] = []
    well = True
    for retailer in room.registry:
        try:
            seen.append(await _look(room, retailer, scheduled))
        except Exception as error:
            # One retailer's trouble must not hide another's.
            failure("a retailer's run could not be watched", error)
            well = False
    return json_answer({"retailers": seen}, status=200 if well else 503)


async def _look(room: Room, retailer: Retailer, now: datetime) -> Seen:
    head = await room.ledger.head(retailer.id)
    known = await room.ledger.run(retailer.id, head.run) if head is not None and not head.settled else None
    verdict = judged(head, known.planned if known else None, now)
    if head is not None and verdict is Verdict.LATE:
        await room.built.publish([built_message(Built(retailer.id, head.run))])
    seen = Seen(retailer.id, name_of(head.run) if head else "", verdict)
    log("ERROR" if verdict in (Verdict.LATE, Verdict.MISSING) else "INFO", "run watched", **msgspec.to_builtins(seen))
    return seen
