"""The compliance officer's shell: who calls, for which retailer, what became of the request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.consent_erasure import caller, rights
from functions.consent_erasure.receipt import links, status
from functions.consent_erasure.room import Room, make
from functions.consent_erasure.rules import COMPLETE, ID, MAX_BODY_BYTES, InvalidRequest, read_request
from functions.consent_erasure.saga import OtherCustomers, open_request, run
from layers.shell.answers import Problem, json_answer, read_body
from layers.shell.lazily import Lazily
from layers.shell.log import failure
from layers.stores.collections import ERASURES, RECEIPTS
from layers.stores.firestore.port import Document

PATH = "/v1/erasures"

room = Lazily(make)


def _stopped() -> Problem:
    return Problem(
        503,
        "try-again",
        "The erasure stopped before its end",
        "A store could not be reached. What was done is recorded; send the same request again, and it goes on from "
        "there.",
        retry_after_s=30,
    )


@functions_framework.aio.http
async def consent_erasure(request: Request) -> Response:
    """`POST /v1/erasures`, `GET /v1/erasures/{id}`, `GET /v1/erasures/{id}/receipt`, and what `rights` answers."""
    try:
        return await answer(request, await room(), lambda: datetime.now(UTC))
    except Exception as error:
        failure("an erasure stopped", error)
        return _stopped().answer()


async def answer(request: Request, room: Room, clock: Callable[[], datetime]) -> Response:
    """Every path to an answer; what a store raises passes through."""
    try:
        email = caller.caller_of(request.headers)
        path = request.url.path.rstrip("/")
        if path in rights.PATHS:
            if request.method != "POST":
                raise _method("POST")
            return await rights.answer(request, room, email, clock())
        if path == PATH:
            if request.method != "POST":
                raise _method("POST")
            return await _post(request, room, email, clock)
        if path == f"{PATH}/key":
            if request.method != "GET":
                raise _method("GET")
            return Response(await room.signer.public_key(), media_type="application/x-pem-file")
        place, _, rest = path.removeprefix("/").partition("v1/erasures/")
        id, _, part = rest.partition("/")
        if place or not ID.match(id) or part not in ("", "receipt"):
            raise Problem(404, "no-such-path", "There is nothing here", f"Erasures are posted to {PATH}.")
        if request.method != "GET":
            raise _method("GET")
        document = await _owned(room, id, email)
        return await _receipt(room, document) if part else json_answer(status(id, document.data, room.steps, clock()))
    except Problem as problem:
        return problem.answer({"WWW-Authenticate": "Bearer"} if problem.status == 401 else None)


def _method(allowed: str) -> Problem:
    return Problem(405, "method-not-allowed", "This method does nothing here", f"Use {allowed} on this path.")


async def _post(request: Request, room: Room, email: str, clock: Callable[[], datetime]) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "content-type", "The content type is not taken", "Send application/json; nothing was done.")
    try:
        asked = read_request(await read_body(request, MAX_BODY_BYTES))
    except InvalidRequest as error:
        raise Problem(
            400, "invalid-request", "The body is no erasure request", f"{error}. Nothing was erased."
        ) from None
    retailer = room.registry.by_id.get(asked.retailer)
    if retailer is None or not caller.may_act_for(email, retailer):
        # One answer for both, so that nobody learns which retailers there are.
        raise Problem(
            403,
            "not-your-retailer",
            "This identity may not ask in this retailer's name",
            "There is no such retailer here, or the caller is not in its `compliance` list; nothing was erased. "
            "Correct `retailer`, or add the identity to the stack's configuration.",
        )
    try:
        document = await open_request(room, asked, clock())
    except OtherCustomers:
        raise Problem(
            409,
            "reference-used",
            "This reference names other customers",
            "An erasure of this reference exists with another list of customers, so nothing was erased. Use a "
            "reference of its own for each request.",
        ) from None
    document = await run(room, document, asked.customers, clock)
    return json_answer(links(document.id, document.data), 202)


async def _owned(room: Room, id: str, email: str) -> Document:
    document = await room.documents.get(ERASURES, id)
    if document is None or document.data["retailer"] not in caller.retailers_of(email, room.registry):
        raise Problem(
            404,
            "no-such-erasure",
            "There is no such erasure",
            "No erasure of the caller's retailer has this id. The answer to the request holds the id.",
        )
    return document


async def _receipt(room: Room, document: Document) -> Response:
    if document.data["status"] != COMPLETE:
        raise Problem(
            404,
            "no-receipt-yet",
            "There is no receipt yet",
            "A receipt exists once every store has been read again and holds nothing. Look at the erasure's status; "
            "send the same request again to go on with it.",
        )
    held = await room.documents.get(RECEIPTS, document.data["receipt"])
    if held is None:
        raise LookupError("a receipt is gone before its delay; look at the purges of `receipts`")
    # Byte for byte what was signed: a reader that writes it anew must not be needed to verify it.
    return Response(held.data["text"], media_type="application/json")
