"""The shell of tickets: a push delivery in, calls of `rewards` out, an acknowledgement.

503 asks for the message again: what was issued of it is issued once. What no repetition can mend is logged and
acknowledged, since backoff slows the whole subscription.
"""

from __future__ import annotations

from functools import partial

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.tickets.room import Room, make
from functions.tickets.rules import Asked, asked, takes_part
from layers.calling import Refused
from layers.events.record import decode_lines
from layers.privacy.suppression import remembered
from layers.retailers import Retailer
from layers.shell.answers import Problem
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.push import Delivery, read_push

room = Lazily(make)


@functions_framework.aio.http
async def tickets(request: Request) -> Response:
    """Pub/Sub's push endpoint."""
    try:
        return await answer(request, await room())
    except Exception as error:
        failure("the message is refused and will come again", error, "WARNING")
        return Response(status_code=503)


async def answer(request: Request, room: Room) -> Response:
    """Every path to an answer; what a store raises passes through, and asks for the message again."""
    try:
        delivery = await read_push(request)
    except Problem as problem:
        return problem.answer()
    await _take(delivery, room)
    return Response(status_code=204)


async def _take(delivery: Delivery, room: Room) -> None:
    name = delivery.message.attributes.get("retailer", "")
    retailer = room.registry.by_id.get(name)
    if retailer is None:
        # Decisioning sets such a message aside; it is the same one.
        log("ERROR", "a message of no retailer here", pubsub_message=delivery.message.message_id)
        return
    records, _ = decode_lines(delivery.message.data)
    await room.suppressions.fresh()
    issued = 0
    for call in asked(name, records, remembered(partial(room.suppressions.erased_at, name))):
        issued += await _ask(room, retailer, call)
    if issued:
        log("INFO", "orders played", retailer=name, orders=issued)


async def _ask(room: Room, retailer: Retailer, call: Asked) -> int:
    if call.shopper:
        row = await room.rows.read(retailer.id, call.shopper)
        if not takes_part(row.consent, retailer, room.suppressions.erased_at(retailer.id, call.shopper)):
            return 0
    try:
        await room.rewards.call(call.path, call.body)
    except Refused as error:
        if error.status in (401, 403):
            # A grant is missing, which somebody will mend.
            raise
        log("ERROR", "an order was refused", retailer=retailer.id, status=error.status, kind=error.kind)
        return 0
    return 1
