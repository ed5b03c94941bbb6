"""The shell of settlement: a push delivery in, an acknowledgement out; 503 asks for the message again."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.settlement.room import Room, make
from functions.settlement.rules import concerned
from layers.events.record import Record, decode_lines
from layers.promises.model import PROMISES_UNREADABLE, Promises, Unreadable
from layers.promises.paying import settle
from layers.retailers import Retailer
from layers.shell.answers import Problem
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.push import Delivery, read_push
from layers.stores.collections import QUARANTINE
from layers.stores.quarantine import quarantined

READ_AT_MOST = 20_000
"""Of a shopper's events since the oldest promise that is not settled for good."""

room = Lazily(make)


@functions_framework.aio.http
async def settlement(request: Request) -> Response:
    """Pub/Sub's push endpoint."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the message is refused and will come again", error)
        return Response(status_code=503)


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; what a store raises passes through. `now` is when the delivery arrived."""
    try:
        delivery = await read_push(request)
    except Problem as problem:
        return problem.answer()
    await _take(delivery, room, now)
    return Response(status_code=204)


async def _take(delivery: Delivery, room: Room, now: datetime) -> None:
    message = delivery.message
    retailer = room.registry.by_id.get(message.attributes.get("retailer", ""))
    if retailer is None:
        reason = "the attribute `retailer` names no retailer here"
        id, document = quarantined("settlement", "", {"message": message.message_id}, 0, reason, now)
        await room.documents.create(QUARANTINE, id, document)
        log("ERROR", "set aside", pubsub_message=message.message_id, line=0)
        return
    # A line that is no record is set aside by cooling and by decisioning, which read the same message.
    records, _ = decode_lines(message.data)
    shoppers = concerned(records)
    if not shoppers:
        return
    await room.suppressions.fresh()
    for shopper in shoppers:
        try:
            await _settle(room, retailer, shopper, now)
        except Unreadable as error:
            failure(PROMISES_UNREADABLE, error)  # The message's other shoppers are not concerned.


async def _settle(room: Room, retailer: Retailer, shopper: str, now: datetime) -> None:
    async def look(promises: Promises) -> list[Record]:
        # All orders since, not the delivered ones alone: so the outcome does not depend on what came first.
        oldest = min(one.at for one in promises.promises)
        stored = await room.hot.newest_first(retailer, shopper, now=now, not_before=oldest, limit=READ_AT_MOST)
        erased = room.suppressions.erased_at(retailer.id, shopper)
        return [record for record in stored if erased is None or record.event.at > erased]

    for one in await settle(room.purse, retailer.id, shopper, look, now):
        log(
            "INFO", "a promise was settled", retailer=retailer.id, campaign=one.campaign, fate=one.fate.value,
            earned=one.earned, unbudgeted=one.unbudgeted,
        )  # fmt: skip
