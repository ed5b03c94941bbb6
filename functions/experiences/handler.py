"""The shell of the experience API: who asks about whom, what is stored about them, what is shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.experiences.express import PageExpress
from functions.experiences.function import DOCUMENT_PATH, PATH, STREAM_PATH
from functions.experiences.room import Room, make
from functions.experiences.rules import (
    SHOPPER_HEADER,
    Answer,
    InvalidQuestion,
    Question,
    answered,
    counts,
    fallback,
    joined,
    read_question,
)
from functions.experiences.streaming import RETRY_MS, Sight, Stream, messages
from layers.events.record import milliseconds
from layers.privacy.suppression import latest
from layers.retailers import Retailer
from layers.shell.answers import Problem, cors, json_answer
from layers.shell.express import open_express
from layers.shell.lazily import Lazily
from layers.shell.log import failure
from layers.tree.catching_up import CaughtUp, catch_up, read_row, standing_of
from layers.tree.journey import moved_by
from layers.tree.live import Live
from layers.tree.wording import Wording

_PRIVATE = {"Cache-Control": "private, no-store"}
_STREAMED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

room = Lazily(make)


@functions_framework.aio.http
async def experiences(request: Request) -> Response:
    """`GET /v1/experiences`, its stream, and the document that describes both."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the experience API could not answer", error)
        return not_ready()


def not_ready() -> Response:
    detail = "Show the page without it and ask again."
    return Problem(503, "not-ready", "The experience API is not ready", detail, 1).answer(_PRIVATE)


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; `now` is when the request arrived."""
    headers = dict(_PRIVATE)
    try:
        # Not `request.url.path`: Starlette makes a URL of the Host header too, which may then hold the path, or raise.
        path = request.scope["path"]
        if path == DOCUMENT_PATH:
            return _document(request.method)
        if path not in (PATH, STREAM_PATH):
            raise Problem(404, "no-such-path", "There is nothing here", f"Experiences are read from {PATH}.")
        retailer = room.registry.by_read_key.get(request.query_params.get("key", ""))
        if retailer is None:
            detail = "The query parameter `key` names no retailer. Use the retailer's read key."
            raise Problem(401, "unknown-key", "The read key is not known", detail)
        origin = request.headers.get("origin")
        if origin is not None and origin not in retailer.origins:
            detail = "The page's origin is not among those of the retailer's configuration. Add it there."
            raise Problem(403, "origin-not-allowed", "This origin may not read experiences", detail)
        headers |= cors(origin, "GET", SHOPPER_HEADER)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        if request.method != "GET":
            raise Problem(405, "method-not-allowed", "Experiences are read", f"Use GET {path}.", allow="GET, OPTIONS")
        question = read_question(request.headers, request.query_params, room.doors[retailer.id], now.timestamp())
    except InvalidQuestion as refusal:
        return Problem(refusal.status, refusal.kind, refusal.title, refusal.detail).answer(headers)
    except Problem as problem:
        return problem.answer(headers)
    if path == STREAM_PATH:
        return _streamed(question, retailer, origin, room)
    return await shown(question, retailer, origin, room, now)


def _document(method: str) -> Response:
    from functions.experiences import openapi

    if method not in ("GET", "HEAD"):
        raise Problem(405, "method-not-allowed", "The document is read", f"Use GET {DOCUMENT_PATH}.", allow="GET, HEAD")
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=3600"}
    return Response(openapi.encoded(), 200, headers, media_type="application/json")


def _streamed(question: Question, retailer: Retailer, origin: str | None, room: Room) -> Response:
    readable = cors(origin, "GET", SHOPPER_HEADER)
    if not room.streams.enter():
        detail = f"Ask {PATH} now, and for a stream again after the time in Retry-After."
        full = Problem(503, "too-many-streams", "This instance has no room for a stream", detail, 5 * RETRY_MS // 1000)
        return full.answer(_PRIVATE | readable)
    wording = Wording(question.locale or retailer.locale, retailer.currency)

    async def ask(asked: Question, before: Sight | None) -> tuple[Sight, Answer | None]:
        async with asyncio.timeout(room.patience_s):
            sight = await _look(asked, retailer, room)
            if sight.same(before):
                return sight, None
            return sight, await _about(asked, retailer, sight, room, room.streams.now(), wording)

    def default(asked: Question) -> Answer:
        return _default(retailer, asked, room.trees.last(retailer.id), "unavailable", wording)

    return Stream(messages(question, ask, default, room.streams), _STREAMED | readable, room.streams)


async def shown(question: Question, retailer: Retailer, origin: str | None, room: Room, now: datetime) -> Response:
    """The answer to a question that may be asked, from an origin that may ask it."""
    headers = _PRIVATE | cors(origin, "GET", SHOPPER_HEADER)
    return json_answer(await _found(question, retailer, room, now), headers=headers)


async def _found(question: Question, retailer: Retailer, room: Room, now: datetime) -> Answer:
    """Never fails: a shopper sees the default experience rather than an error."""
    wording = Wording(question.locale or retailer.locale, retailer.currency)
    try:
        async with asyncio.timeout(room.patience_s):
            sight = await _look(question, retailer, room)
            return await _about(question, retailer, sight, room, now, wording)
    except Exception as error:
        failure("the default experience is shown", error)
        return _default(retailer, question, room.trees.last(retailer.id), "unavailable", wording)


def _default(retailer: Retailer, question: Question, live: Live | None, reason: str, wording: Wording) -> Answer:
    return fallback(retailer.id, question, live.tree if live is not None else None, reason, wording)


async def _look(question: Question, retailer: Retailer, room: Room) -> Sight:
    """All that an answer depends on beside the newest events."""
    live = await room.trees.of(retailer.id)
    if live is None or live.off:
        return Sight(live)
    pseudonyms = room.rings[retailer.id].every(question.customer)
    if not room.suppressions.known():
        await room.suppressions.fresh()
    if len(pseudonyms) == 1:
        erased = room.suppressions.erased_at(retailer.id, pseudonyms[0])
        return Sight(live, (await room.rows.read(retailer.id, pseudonyms[0]),), erased)
    erased = latest([room.suppressions.erased_at(retailer.id, each) for each in pseudonyms])
    # All in one call: reads of the same moment travel together.
    rows = await asyncio.gather(*(room.rows.read(retailer.id, each) for each in pseudonyms))
    return Sight(live, tuple(rows), erased)


async def _about(
    question: Question, retailer: Retailer, sight: Sight, room: Room, now: datetime, wording: Wording
) -> Answer:
    live, erased = sight.live, sight.erased
    if live is None or live.off:
        return _default(retailer, question, live, "off" if live else "no_tree", wording)
    first, *others = [read_row(row, erased) for row in sight.rows]
    shopper = joined([first, *others]) if others else first
    pseudonym = room.rings[retailer.id].every(question.customer)[0]
    standing = standing_of(retailer, shopper, live, now)
    state = shopper.state
    caught_up = CaughtUp(state)
    # Where nothing is stored in the row, and nothing is asked for, a shopper nobody knows has no events to read either.
    # A consent that cannot be read may have been a refusal, and the events tell.
    if (
        not counts(state, question)
        or "consent" in shopper.damaged
        or (state is not None and not moved_by(state, standing))
    ):
        caught_up = await catch_up(
            room.hot, retailer, pseudonym, shopper, standing, now, sought=question.after, erased=erased
        )
    return answered(retailer.id, question, standing, shopper, caught_up, milliseconds(now), wording)


open_express(PageExpress(room, PATH, shown, not_ready), method=b"GET")
