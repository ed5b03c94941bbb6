"""The shell of claims: a page's question about an order, a winner's link, a winner's address."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.claims.room import Room, make
from functions.claims.rules import HEADERS, STATUS, language, page
from layers.calling import Refused, Unreachable
from layers.privacy.shopper_token import InvalidToken, customer_of
from layers.privacy.suppression import digest
from layers.shell.answers import Problem, cors, json_answer, read_body
from layers.shell.lazily import Lazily
from layers.shell.log import failure

TICKETS, CLAIM = "/v1/tickets", "/claim"
SHOPPER_HEADER = "gondola-shopper"
MAX_BODY_BYTES = 4096
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PRIVATE = {"Cache-Control": "private, no-store"}

room = Lazily(make)


@functions_framework.aio.http
async def claims(request: Request) -> Response:
    """`GET /v1/tickets`, and `GET` and `POST /claim`."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the claim page could not answer", error)
        return Problem(503, "try-again", "Not now", "Ask again in a moment.", 5).answer(_PRIVATE)


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; what `rewards` cannot do passes through."""
    try:
        if request.url.path == TICKETS:
            return await _tickets(request, room, now)
        if request.url.path == CLAIM:
            return await _claim(request, room)
        raise Problem(404, "no-such-path", "There is nothing here", f"Tickets are read from {TICKETS}.")
    except Problem as problem:
        return problem.answer(_PRIVATE)


async def _tickets(request: Request, room: Room, now: datetime) -> Response:
    retailer = room.registry.by_read_key.get(request.query_params.get("key", ""))
    if retailer is None:
        raise Problem(401, "unknown-key", "The read key is not known", "Use the retailer's read key as `key`.")
    origin = request.headers.get("origin")
    if origin is not None and origin not in retailer.origins:
        raise Problem(403, "origin-not-allowed", "This origin may not ask", "Add it to the retailer's configuration.")
    headers = _PRIVATE | cors(origin, "GET", SHOPPER_HEADER)
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    order = request.query_params.get("order", "")
    if request.method != "GET" or not _ID.fullmatch(order):
        detail = f"Use GET {TICKETS}?key=…&order=…; an order's id has 64 letters, digits, dots, dashes at most."
        return Problem(400, "invalid-question", "The question is not understood", detail).answer(headers)
    try:
        # Also where pages may name a shopper without a token: a prize is money.
        customer = customer_of(room.doors[retailer.id], request.headers.get(SHOPPER_HEADER, ""), now.timestamp())
    except InvalidToken as error:
        detail = f"The header {SHOPPER_HEADER} must hold a token that the shop's own server signed: {error}."
        return Problem(401, "shopper-token", "The shopper's token is not valid", detail).answer(headers)
    shoppers = [digest(retailer.id, each) for each in room.rings[retailer.id].every(customer)]
    asked = {"retailer": retailer.id, "shoppers": shoppers, "order": order}
    found = await room.rewards.call("/v1/results", asked)
    told = [_with_address(each) for each in found["tickets"]]
    return json_answer({"order": order, "tickets": told}, headers=headers)


def _with_address(ticket: dict[str, Any]) -> dict[str, Any]:
    """Its link as an address on this service."""
    token = ticket.pop("token", None)
    return ticket if token is None else {**ticket, "claim": f"{CLAIM}?token={token}"}


async def _claim(request: Request, room: Room) -> Response:
    if request.method in ("GET", "HEAD"):
        # Looking uses nothing up: mail programs and previews open links by themselves.
        token = request.query_params.get("token", "")
        return _page(request, token, await _asked(room, "/v1/prizes/look", {"token": token}))
    if request.method != "POST":
        raise Problem(405, "method-not-allowed", "This is a page", "Use GET or POST.", allow="GET, HEAD, POST")
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        form = parse_qs(body.decode(errors="replace"), max_num_fields=4)
    except ValueError:
        form = {}
    token, email = (form.get(name, [""])[0] for name in ("token", "email"))
    return _page(request, token, await _asked(room, "/v1/prizes/claim", {"token": token, "email": email}))


async def _asked(room: Room, path: str, body: dict[str, str]) -> dict[str, Any]:
    if len(body["token"]) > 600 or len(body.get("email", "")) > 1000:
        return {"state": "unknown" if len(body["token"]) > 600 else "invalid"}
    try:
        found: dict[str, Any] = await room.rewards.call(path, body)
    except Refused as error:
        raise Unreachable("rewards refused what this page asked") from error
    return found


def _page(request: Request, token: str, found: dict[str, Any]) -> Response:
    lang = language(request.headers.get("accept-language", ""), str(found.get("locale", "")))
    html = page(found, token, lang)
    return Response(html, STATUS[found["state"]], HEADERS | {"Content-Language": lang}, media_type="text/html")
