"""Scoring's shell: one statement a retailer, its result page by page into the shoppers' rows."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.scoring.room import Room, make
from functions.scoring.rules import binding, stored, version
from layers.events.record import milliseconds
from layers.retailers import Retailer
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time

SQL = Path(__file__).with_name("parameters.sql").read_text()

PAGE = 500
"""Shoppers at a time: about 3 MB."""

room = Lazily(make)


class Report(msgspec.Struct, frozen=True):
    """What a run did for one retailer. Not `done`: some shoppers keep their earlier parameters.

    Attributes:
        removed: shoppers who had parameters and have none now: they withdrew, or have no order within the contract.
    """

    retailer: str
    version: str
    shoppers: int
    removed: int
    seconds: float
    done: bool


@functions_framework.aio.http
async def scoring(request: Request) -> Response:
    """A Cloud Scheduler run."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("scoring could not run", error)
        return Problem(503, "try-again", "Scoring did not run", "Something failed; run the job again.").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Scores every retailer; 503 when one of them is not done, so that Scheduler runs it again. Doing so is harmless:
    the same run writes the same version into the same cells.
    """
    try:
        scheduled = scheduled_time(request.headers, now)
    except InvalidSchedule as error:
        return Problem(400, "invalid-schedule", "The run has no clock", str(error)).answer()
    reports = [await _score(room, retailer, scheduled) for retailer in room.registry]
    return json_answer({"retailers": reports}, status=200 if all(report.done for report in reports) else 503)


async def _score(room: Room, retailer: Retailer, now: datetime) -> Report:
    started, shoppers, removed, done = time.monotonic(), 0, 0, False
    run = version(SQL, retailer, now)
    try:
        dataset = room.warehouse.full_name(retailer.dataset)
        pages = room.warehouse.pages(SQL.replace("{dataset}", dataset), binding(retailer, now), PAGE)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            rows = [stored(row, run, now) for row in page]
            await room.shopper_rows.write_parameters(retailer.id, rows, milliseconds(now))
            shoppers += len(rows)
        # Last, when all that may stay is written: what an earlier run wrote and this one did not has lost its purpose.
        removed = await room.shopper_rows.delete_parameters_before(retailer.id, milliseconds(now))
        done = True
    except Exception as error:
        # One retailer's trouble must not cost the others their night.
        failure("a retailer could not be scored", error)
    report = Report(retailer.id, run, shoppers, removed, round(time.monotonic() - started, 3), done)
    log("INFO" if done else "ERROR", "scored", **msgspec.structs.asdict(report))
    return report
