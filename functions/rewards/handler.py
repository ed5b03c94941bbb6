"""The shell of rewards: who calls, which of the few things that caller may ask, what it is answered."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.rewards import closing, games, prizes, standing, tickets
from functions.rewards.room import Room, make
from functions.rewards.rules import (
    Cancelled,
    Claim,
    Due,
    InvalidRequest,
    Look,
    Named,
    NewGame,
    Paid,
    Question,
    Refunds,
    read,
)
from layers.declarations import settings
from layers.retailers import Retailer
from layers.shell import caller
from layers.shell.answers import Problem, json_answer, read_body
from layers.shell.lazily import Lazily
from layers.shell.log import failure
from layers.signing.canonical import canonical
from layers.stores.apart import PATH as APART
from layers.stores.apart import Asked, answered

MAX_BODY_BYTES = 256 * 1024
_GAME = re.compile(r"/v1/games/([a-z][a-z0-9]{1,19})/([a-z][a-z0-9_]{1,47})(/close|/transcript|/standing)?")
_GAMES = re.compile(r"/v1/games/([a-z][a-z0-9]{1,19})")
_PRIVATE = {"Cache-Control": "no-store"}

room = Lazily(make)


@functions_framework.aio.http
async def rewards(request: Request) -> Response:
    """See the declaration's paths."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("rewards could not answer", error)
        return Problem(503, "try-again", "Not now", "A store or the beacon is out of reach; ask again.", 5).answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; what a store raises passes through."""
    try:
        email = caller.caller_of(request.headers)
        path = request.url.path
        if path in _OURS:
            names, method = _OURS[path]
            if email not in {settings.account(name, room.project) for name in names}:
                raise _not_yours("Only functions of this stack call this path, each its own.")
            return json_answer(await method(room, await _post(request), now), headers=_PRIVATE)
        if path == "/v1/games":
            asked = _read(await _post(request), NewGame)
            return json_answer(await games.announce(room, _theirs(room, email, asked.retailer), asked.rules, now))
        if path == "/v1/refunds":
            wanted = _read(await _post(request), Refunds)
            text = await prizes.refunds(room, _theirs(room, email, wanted.retailer), wanted, now)
            return Response(text, media_type="application/x-ndjson", headers=_PRIVATE)
        if whose := _GAMES.fullmatch(path):
            _get(request)
            return json_answer({"games": await standing.games(room, _theirs(room, email, whose[1]))}, headers=_PRIVATE)
        named = _GAME.fullmatch(path)
        if named is None:
            raise Problem(404, "no-such-path", "There is nothing here", "Games are announced at /v1/games.")
        return await _game(request, room, _theirs(room, email, named[1]), named[2], named[3] or "", now)
    except Problem as problem:
        return problem.answer({"WWW-Authenticate": "Bearer"} if problem.status == 401 else None)


async def _game(request: Request, room: Room, retailer: Retailer, game: str, part: str, now: datetime) -> Response:
    if part == "/close":
        await _post(request)
        return json_answer(await closing.close(room, retailer, game, now))
    _get(request)
    if part == "/standing":
        return json_answer(await standing.standing(room, retailer, game), headers=_PRIVATE)
    if part == "/transcript":
        return Response(canonical(await games.published(room, retailer, game)), media_type="application/json")
    return json_answer(games.told(room, retailer, (await games.game_of(room, retailer, game)).data))


def _not_yours(detail: str) -> Problem:
    return Problem(403, "not-yours", "This identity may not ask this", f"{detail} Nothing was done.")


def _theirs(room: Room, email: str, retailer_id: str) -> Retailer:
    retailer = room.registry.by_id.get(retailer_id)
    if retailer is None or not caller.is_listed(email, retailer.compliance):
        # One answer for both, so that nobody learns which retailers there are.
        raise _not_yours("There is no such retailer here, or the caller is not in its `compliance` list.")
    return retailer


async def _post(request: Request) -> bytes:
    if request.method != "POST":
        raise Problem(405, "method-not-allowed", "This is posted", "Use POST.", allow="POST")
    return await read_body(request, MAX_BODY_BYTES)


def _get(request: Request) -> None:
    if request.method != "GET":
        raise Problem(405, "method-not-allowed", "This is read", "Use GET.", allow="GET")


def _read(body: bytes, kind: type[Any]) -> Any:
    try:
        return read(body, kind)
    except InvalidRequest as error:
        raise Problem(400, "invalid-request", "The body is not understood", f"{error}. Nothing was done.") from None


def _known(room: Room, retailer_id: str) -> None:
    if retailer_id not in room.registry.by_id:
        raise Problem(400, "no-such-retailer", "There is no such retailer", "Nothing was done.")


async def _paid(room: Room, body: bytes, now: datetime) -> Any:
    asked: Paid = _read(body, Paid)
    _known(room, asked.retailer)
    return {"tickets": await tickets.issue(room, asked, now)}


async def _void(room: Room, body: bytes, now: datetime) -> Any:
    asked: Cancelled = _read(body, Cancelled)
    _known(room, asked.retailer)
    return {"games": await tickets.void(room, asked, now)}


async def _results(room: Room, body: bytes, _now: datetime) -> Any:
    asked: Question = _read(body, Question)
    _known(room, asked.retailer)
    return {"tickets": [await prizes.with_link(room, asked.retailer, r) for r in await tickets.results(room, asked)]}


async def _look(room: Room, body: bytes, now: datetime) -> Any:
    return (await prizes.look(room, _read(body, Look).token, now))[0]


async def _claim(room: Room, body: bytes, now: datetime) -> Any:
    return await prizes.claim(room, _read(body, Claim), now)


async def _due(room: Room, body: bytes, now: datetime) -> Any:
    _read(body, Due)
    return {"games": await closing.due(room, now)}


async def _advance(room: Room, body: bytes, now: datetime) -> Any:
    asked: Named = _read(body, Named)
    _known(room, asked.retailer)
    return await closing.advance(room, room.registry.by_id[asked.retailer], asked.game, now)


async def _apart(room: Room, body: bytes, _now: datetime) -> Any:
    try:
        return {"answer": await answered(room.apart, _read(body, Asked))}
    except LookupError as error:
        raise Problem(400, "no-such-collection", "There is no such collection", f"{error}; nothing was done.") from None


_OURS: dict[str, tuple[tuple[str, ...], Callable[[Room, bytes, datetime], Awaitable[Any]]]] = {
    "/v1/tickets": (("tickets",), _paid),
    "/v1/tickets/void": (("tickets",), _void),
    "/v1/results": (("claims",), _results),
    "/v1/prizes/look": (("claims",), _look),
    "/v1/prizes/claim": (("claims",), _claim),
    "/v1/due": (("draws",), _due),
    "/v1/advance": (("draws",), _advance),
    APART: (("consent_erasure", "retention_purge"), _apart),
}
"""What functions of this stack ask, and which of them."""
