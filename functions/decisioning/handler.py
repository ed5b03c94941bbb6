"""The shell of decisioning: a push delivery in, an acknowledgement out.

204 acknowledges. 503 asks Pub/Sub to deliver again, and is answered only to what a repetition can mend: backoff slows
the whole subscription, so what cannot be mended is set aside and acknowledged.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.decisioning.deciding import Contended, decide
from functions.decisioning.room import Room, make
from functions.decisioning.rules import by_shopper
from layers.events.record import decode_lines
from layers.privacy.suppression import remembered
from layers.shell.answers import Problem
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.push import Delivery, read_push
from layers.stores.bigtable.port import Unavailable as HotUnavailable
from layers.stores.collections import QUARANTINE
from layers.stores.pubsub.port import Unavailable as TopicUnavailable
from layers.stores.quarantine import quarantined
from layers.stores.suppressions import Unavailable as SuppressionsUnavailable
from layers.tree.live import TreeUnavailable

room = Lazily(make)


@functions_framework.aio.http
async def decisioning(request: Request) -> Response:
    """Pub/Sub's push endpoint."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the message is refused and will come again", error)
        return Response(status_code=503)


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; `now` is when the delivery arrived."""
    try:
        delivery = await read_push(request)
    except Problem as problem:
        return problem.answer()
    try:
        await _take(delivery, room, now)
    except (HotUnavailable, TopicUnavailable, TreeUnavailable, SuppressionsUnavailable, Contended) as error:
        failure("not all could be decided; the message will come again", error, "WARNING")
        return Response(status_code=503)
    return Response(status_code=204)


async def _take(delivery: Delivery, room: Room, now: datetime) -> None:
    message = delivery.message
    name = message.attributes.get("retailer", "")
    retailer = room.registry.by_id.get(name)
    if retailer is None:
        await _set_aside(room, "", message.message_id, 0, "the attribute `retailer` names no retailer here", now)
        return
    records, corrupt = decode_lines(message.data)
    for line, place in corrupt:
        await _set_aside(room, retailer.id, message.message_id, line, f"no record (at {place})", now)
    await room.suppressions.fresh()
    shoppers = by_shopper(records, remembered(partial(room.suppressions.erased_at, retailer.id)))
    if not shoppers:
        return
    live = await room.trees.of(retailer.id)
    if live is None:
        log("WARNING", "no tree is published, so nothing is decided: python -m layers.tree publish", retailer=name)
    elif live.off:
        live = None  # Nobody is shown anything but the default, so there is nothing to decide.
    trace = message.attributes.get("trace", "")
    decided, bad = await decide(room, retailer, live, shoppers, trace, now)
    if bad:
        await _set_aside(room, retailer.id, message.message_id, 0, f"{bad} shoppers could not be decided", now)
    log("INFO", "decided", retailer=name, shoppers=len(shoppers), decisions=decided, trace=trace)


async def _set_aside(room: Room, retailer_id: str, message_id: str, line: int, reason: str, now: datetime) -> None:
    id, document = quarantined("decisioning", retailer_id, {"message": message_id}, line, reason, now)
    await room.documents.create(QUARANTINE, id, document)
    log("ERROR", "set aside", retailer=retailer_id, pubsub_message=message_id, line=line)
