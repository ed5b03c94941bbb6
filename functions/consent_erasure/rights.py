"""The shell of access and objection: what was asked about one customer, by whom, and the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.consent_erasure import caller
from functions.consent_erasure.access import package
from functions.consent_erasure.objections import ErasedSince, InvalidMoment, NotKept, OtherMoment, object_
from functions.consent_erasure.room import Room
from layers.events.envelope import CustomerId
from layers.events.model import Moment
from layers.events.refusal import UNREADABLE, describe, fields_of
from layers.retailers import Retailer
from layers.shell.answers import Problem, json_answer, read_body
from layers.shell.log import failure, log

ACCESS, OBJECTIONS = "/v1/access", "/v1/objections"
PATHS = (ACCESS, OBJECTIONS)
MAX_BODY_BYTES = 4096

_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class AboutOne(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked about one customer.

    Attributes:
        reference: the retailer's own, by which it knows the request; never a customer id.
    """

    retailer: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]{1,19}$")]
    reference: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    customer: CustomerId


class Objection(AboutOne, frozen=True, forbid_unknown_fields=True):
    """Attributes:
    since: when the shopper objected; the moment of the request, if it is not said.
    """

    since: Moment | None = None


_about_one = msgspec.json.Decoder(AboutOne)
_objection = msgspec.json.Decoder(Objection)
_FIELDS = fields_of(Objection)


def _invalid(rule: str, undone: str) -> Problem:
    return Problem(400, "invalid-request", "The body is no such request", f"{rule}. {undone}")


_A = TypeVar("_A", bound=AboutOne)


async def _asked(
    request: Request, room: Room, email: str, decoder: msgspec.json.Decoder[_A], undone: str
) -> tuple[_A, Retailer, tuple[str, ...]]:
    """The request, its retailer, and the customer's pseudonyms, the one that is written under first.

    Args:
        undone: what did not happen, where it is refused.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "content-type", "The content type is not taken", f"Send application/json. {undone}")
    try:
        asked = decoder.decode(await read_body(request, MAX_BODY_BYTES))
    except UNREADABLE as error:
        path, rule = describe(error, _FIELDS)
        raise _invalid(f"{rule} (at {path})", undone) from None
    if asked.reference == asked.customer:
        raise _invalid("the reference is the customer id, and would be told and kept (at $.reference)", undone)
    retailer = room.registry.by_id.get(asked.retailer)
    if retailer is None or not caller.may_act_for(email, retailer):
        # One answer for both, so that nobody learns which retailers there are.
        raise Problem(
            403,
            "not-your-retailer",
            "This identity may not ask in this retailer's name",
            f"There is no such retailer here, or the caller is not in its `compliance` list. {undone} Correct "
            "`retailer`, or add the identity to the stack's configuration.",
        )
    return asked, retailer, room.keys[retailer.id].every(asked.customer)


async def answer(request: Request, room: Room, email: str, now: datetime) -> Response:
    """To a POST on one of `PATHS`; what a store raises is a 503."""
    try:
        return await (_access if request.url.path.rstrip("/") == ACCESS else _object)(request, room, email, now)
    except Problem:
        raise
    except Exception as error:
        failure("an answer about one shopper stopped", error)
        raise Problem(
            503,
            "try-again",
            "A store could not be reached",
            "Nothing can be told or is known to be recorded. Send the same request again: doing so is harmless.",
            retry_after_s=30,
        ) from None


async def _access(request: Request, room: Room, email: str, now: datetime) -> Response:
    asked, retailer, shoppers = await _asked(request, room, email, _about_one, "Nothing is told.")
    pieces: AsyncIterator[bytes] = await package(room, retailer, asked.reference, asked.customer, shoppers, now)
    headers = {**_NO_STORE, "Content-Disposition": f'attachment; filename="access-{asked.reference}.json"'}
    return StreamingResponse(pieces, 200, headers, media_type="application/json")


async def _object(request: Request, room: Room, email: str, now: datetime) -> Response:
    undone = "Nothing was recorded."
    asked, retailer, shoppers = await _asked(request, room, email, _objection, undone)
    try:
        told = await object_(room, retailer, asked.reference, shoppers, asked.since, now)
    except InvalidMoment as error:
        raise _invalid(str(error), undone) from None
    except ErasedSince:
        raise Problem(
            409,
            "erased-since",
            "This shopper was erased at or after that moment",
            "What was done up to an erasure is not taken again, and nothing from before it is left to object to; "
            "nothing was recorded. Leave `since` out, or name a moment after the erasure.",
        ) from None
    except OtherMoment:
        raise Problem(
            409,
            "reference-used",
            "This reference names an objection of another moment",
            "It was recorded before with another `since`, so nothing was recorded. Use a reference of its own for "
            "each objection.",
        ) from None
    except NotKept:
        raise Problem(
            503,
            "try-again",
            "The objection is not recorded yet",
            "A store did not take it. Send the same request again: doing so is harmless.",
            retry_after_s=5,
        ) from None
    log("INFO", "objection recorded", retailer=retailer.id, in_force=told["in_force"])
    return json_answer(told, 202, _NO_STORE)
