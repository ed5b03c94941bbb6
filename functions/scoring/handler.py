"""The shell of scoring: models are built and a run is planned, or a shard is due and scored.

204 acknowledges, also what is done already or whose turn has passed; 503 asks Pub/Sub to deliver again.
"""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.scoring.planning import plan
from functions.scoring.room import Room, make
from functions.scoring.shard import score
from layers.retailers import Retailer
from layers.scoring_runs.ledger import Superseded
from layers.scoring_runs.messages import MODELS_BUILT, SHARDS, InvalidMessage, name_of, read_built, read_shard
from layers.shell.answers import Problem, read_body
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.push import MAX_PUSH_BYTES, Delivery, NotAPush, decode_push
from layers.stores.collections import QUARANTINE
from layers.stores.quarantine import quarantined

SUBSCRIPTION = "scoring--"
"""A subscription's name is the function's and the topic's."""

room = Lazily(make)


@functions_framework.aio.http
async def scoring(request: Request) -> Response:
    """A Pub/Sub push of `models-built` or `scoring-shards`."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("a shard could not be scored", error)
        return Problem(503, "try-again", "Not scored", "Something failed; Pub/Sub delivers it again.").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer but a failure's; `now` is when the delivery arrived."""
    try:
        delivery = decode_push(await read_body(request, MAX_PUSH_BYTES))
    except NotAPush:
        return Problem(400, "not-a-push", "This is no push", "Only Pub/Sub calls this function.").answer()
    except Problem as problem:
        return problem.answer()
    try:
        await _take(room, delivery, now)
    except InvalidMessage as error:
        await _set_aside(room, delivery, str(error), now)
    except Problem as problem:
        return problem.answer()
    return Response(status_code=204)


async def _take(room: Room, delivery: Delivery, now: datetime) -> None:
    attributes = delivery.message.attributes
    topic = delivery.subscription.removeprefix(SUBSCRIPTION)
    if topic not in (MODELS_BUILT, SHARDS):
        raise Problem(
            400,
            "unknown-subscription",
            "This subscription is not scored",
            f"Its name must be {SUBSCRIPTION}{MODELS_BUILT} or {SUBSCRIPTION}{SHARDS}; nothing was done.",
        )
    retailer = _retailer(room, attributes.get("retailer", ""))
    try:
        if topic == MODELS_BUILT:
            await plan(room, retailer, read_built(attributes).run, now)
        else:
            due = read_shard(attributes)
            await score(room, retailer, due.run, due.shard, now)
    except Superseded:
        log("INFO", "superseded by a newer run", retailer=retailer.id, run=name_of(read_built(attributes).run))


def _retailer(room: Room, id: str) -> Retailer:
    retailer = room.registry.by_id.get(id)
    if retailer is None:
        raise InvalidMessage("the attribute `retailer` names nobody")
    return retailer


async def _set_aside(room: Room, delivery: Delivery, reason: str, now: datetime) -> None:
    named = delivery.message.attributes.get("retailer", "")
    retailer = named if named in room.registry.by_id else ""
    place = {"message": delivery.message.message_id}
    id, data = quarantined(delivery.subscription, retailer, place, 0, reason, now)
    await room.documents.create(QUARANTINE, id, data)
    log("WARNING", "message quarantined", subscription=delivery.subscription, reason=reason)
