"""The Shopper Event API's shell: who calls, what was sent, was it kept."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.ingest.bringing import NotBrought
from functions.ingest.commit import Overloaded
from functions.ingest.express import EventExpress
from functions.ingest.function import DOCUMENT_PATH, EVENTS_PATH
from functions.ingest.room import Room, make
from functions.ingest.rules import Taken, take
from layers.events.envelope import MAX_BODY_BYTES, InvalidBody, read_envelopes
from layers.privacy.signature import InvalidSignature, is_signed, verify
from layers.retailers import Retailer
from layers.shell.answers import Problem, cors, json_answer, read_body
from layers.shell.express import open_express
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.stores.bigtable.port import Unavailable as RowsUnavailable
from layers.stores.suppressions import Unavailable as SuppressionsUnavailable

PATH = EVENTS_PATH
CONTENT_TYPES = ("application/json", "text/plain")
_HEADERS = "content-type"

room = Lazily(make)


@functions_framework.aio.http
async def ingest(request: Request) -> Response:
    """`POST /v1/events`, and `GET /v1/openapi.json`."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the event API could not answer", error)
        return _unavailable("The event API is not ready").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; `now` is when the request arrived."""
    headers: dict[str, str] = {}
    try:
        # Not `request.url.path`: Starlette makes a URL of the Host header too, which may then hold the path, or raise.
        path = request.scope["path"]
        if path == DOCUMENT_PATH:
            return _document(request.method)
        if path != PATH:
            raise Problem(404, "no-such-path", "There is nothing here", f"Events are posted to {PATH}.")
        if request.method not in ("POST", "OPTIONS"):
            raise Problem(405, "method-not-allowed", "Events are posted", f"Use POST {PATH}.", allow="POST, OPTIONS")
        retailer = _retailer(request, room)
        origin = _origin(request, retailer)
        headers = _readable_by(origin)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        taken = await _read(request, room, retailer, now)
        return await _keep(taken, room, retailer, origin, now)
    except Problem as problem:
        return problem.answer(headers)


def _document(method: str) -> Response:
    from functions.ingest import openapi

    if method not in ("GET", "HEAD"):
        raise Problem(405, "method-not-allowed", "The document is read", f"Use GET {DOCUMENT_PATH}.", allow="GET, HEAD")
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=3600"}
    return Response(openapi.encoded(), 200, headers, media_type="application/json")


def _retailer(request: Request, room: Room) -> Retailer:
    keys = request.query_params.getlist("key")
    # Of two keys, whoever reads the log and we might each believe another one.
    retailer = room.registry.by_write_key.get(keys[0]) if len(keys) == 1 else None
    if retailer is None:
        raise Problem(
            401,
            "unknown-key",
            "The write key is not known",
            "The query parameter `key` names no retailer, so nothing was taken. Use the retailer's write key.",
        )
    return retailer


def _origin(request: Request, retailer: Retailer) -> str | None:
    origin = request.headers.get("origin")
    if origin is not None and origin not in retailer.origins:
        raise Problem(
            403,
            "origin-not-allowed",
            "This origin may not send events",
            "The page's origin is not among those of the retailer's configuration, so nothing was taken. Add it there.",
        )
    return origin


async def _read(request: Request, room: Room, retailer: Retailer, now: datetime) -> Taken:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in CONTENT_TYPES:
        raise Problem(
            415,
            "content-type",
            "The content type is not taken",
            f"Send {' or '.join(CONTENT_TYPES)}; nothing was taken.",
        )
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        # 64 KiB of zeros are 64 bytes compressed: what a body costs must be known before it is opened.
        raise Problem(
            415,
            "content-encoding",
            "A compressed body is not taken",
            "Send the body without Content-Encoding; nothing was taken.",
        )
    body = await read_body(request, MAX_BODY_BYTES)
    signed = is_signed(request.headers)
    try:
        if signed:
            verify(room.signing_keys[retailer.id], request.headers, body, time.time())
        envelopes = read_envelopes(body, server=signed)
    except InvalidSignature as error:
        raise Problem(401, "signature", "The signature does not hold", f"{error}. Nothing was taken.") from None
    except InvalidBody as error:
        raise Problem(400, "invalid-body", "The body is no envelope", f"{error}. Nothing was taken.") from None
    if not room.suppressions.known():
        try:
            await room.suppressions.fresh()
        except SuppressionsUnavailable:
            raise _unavailable("It cannot be read who was erased") from None
    door = room.doors[retailer.id]
    if not room.bringing.done(door, envelopes):
        try:
            await room.bringing.bring(door, envelopes, now)
        except (NotBrought, RowsUnavailable, Overloaded):
            raise _unavailable("What shoppers agreed to under their former pseudonym cannot be brought along") from None
    return take(envelopes, door, now)


async def _keep(taken: Taken, room: Room, retailer: Retailer, origin: str | None, now: datetime) -> Response:
    if taken.rejected:
        log("WARNING", "events refused", retailer=retailer.id, refused=len(taken.rejected), taken=len(taken.events))
    if not taken.events:
        raise Problem(
            400,
            "no-valid-event",
            "No event could be taken",
            "Every event breaks a rule, listed under `rejected`; nothing was taken. Correct them and send them again.",
            more={"rejected": taken.rejected},
        )
    wait_s = room.doors[retailer.id].allowance.spend(len(taken.events), time.monotonic())
    if wait_s:
        raise Problem(
            429,
            "too-many-events",
            "Too many events at once",
            f"This instance takes {retailer.events_per_second} events a second of this retailer; nothing was taken. "
            "Send the same request again after Retry-After, or have the allowance raised.",
            retry_after_s=math.ceil(wait_s),
        )
    try:
        durable = await room.commit.commit(retailer.id, taken.kept, taken.size, now)
    except Overloaded:
        raise _unavailable("More events are waiting than can be held") from None
    if not durable:
        return not_durable(origin)
    if taken.rejected:
        accepted = {"accepted": len(taken.events), "rejected": taken.rejected}
        return json_answer(accepted, headers=_readable_by(origin))
    return acknowledged(origin)


def _readable_by(origin: str | None) -> dict[str, str]:
    return cors(origin, "POST", _HEADERS)


def acknowledged(origin: str | None) -> Response:
    """To a page of `origin`; None for a sender that is no browser."""
    return Response(status_code=204, headers=_readable_by(origin))


def not_durable(origin: str | None) -> Response:
    """To the same, when a store is down."""
    return _unavailable("A store is down").answer(_readable_by(origin))


def _unavailable(fact: str) -> Problem:
    return Problem(
        503,
        "try-again",
        "The events are not acknowledged",
        f"{fact}, so these events may not be kept. Send the same request again: doing so is harmless.",
        retry_after_s=1,
    )


open_express(EventExpress(room, PATH, acknowledged, not_durable))
