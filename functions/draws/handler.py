"""The shell of draws: asks `rewards` which games are due, and has it go on with each.

Knows no rule of a game and holds nothing: whatever run is doubled, late or killed, the next one goes on.
"""

from __future__ import annotations

import functions_framework.aio
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.draws.function import LOOKED, WATCHED
from functions.draws.room import Room, make
from functions.draws.rules import ADVANCE, DUE, Game, Seen, failed, games_of, seen_of, severity
from layers.calling import Refused, Unreachable
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log

room = Lazily(make)


@functions_framework.aio.http
async def draws(_request: Request) -> Response:
    """A Cloud Scheduler run."""
    try:
        return await answer(await room())
    except Exception as error:
        failure("no game could be looked at", error)
        return Problem(503, "try-again", "Nothing was closed", "`rewards` did not answer; run the job again.").answer()


async def answer(room: Room) -> Response:
    """Goes on with every game that is due; one that fails hides no other.

    Raises:
        Unreachable, Refused: `rewards` does not even say which are due.
    """
    due = games_of(await room.rewards.call(DUE, {}))
    seen = [await _advanced(room, game) for game in due]
    for each in seen:
        log(severity(each), WATCHED, **msgspec.to_builtins(each))
    log("INFO", LOOKED, games=len(seen))
    return json_answer({"games": seen})


async def _advanced(room: Room, game: Game) -> Seen:
    try:
        return seen_of(game, await room.rewards.call(ADVANCE, msgspec.to_builtins(game)))
    except Refused as error:
        return failed(game, error.kind or str(error.status))
    except Unreachable:
        return failed(game, "unreachable")
