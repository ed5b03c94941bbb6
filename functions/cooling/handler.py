"""Cooling's shell: a push comes in, its rows are durable in BigQuery, and only then it is acknowledged."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.cooling.keeping import keep
from functions.cooling.room import Room, make
from functions.cooling.rules import cool, cool_decisions
from layers.events.record import decode_lines
from layers.privacy.suppression import remembered
from layers.shell.answers import Problem, read_body
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.push import MAX_PUSH_BYTES, Delivery, NotAPush, decode_push
from layers.stores.bigquery.port import Unavailable
from layers.stores.collections import QUARANTINE
from layers.stores.quarantine import quarantined
from layers.stores.suppressions import Unavailable as SuppressionsUnavailable

SUBSCRIPTION = "cooling--"
"""A subscription's name is the function's and the topic's."""

BadLine = tuple[int, str]
"""Line number from 1 (0: the whole message), and the rule it breaks."""

room = Lazily(make)


@functions_framework.aio.http
async def cooling(request: Request) -> Response:
    """A Pub/Sub push of `shopper-events` or `decisions`."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("a message could not be cooled", error)
        return _again("Something failed").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """204 when every row is durable or quarantined; anything else makes Pub/Sub deliver the message again."""
    try:
        delivery = decode_push(await read_body(request, MAX_PUSH_BYTES))
        bad = await _cool(room, delivery)
    except NotAPush:
        return Problem(400, "not-a-push", "This is no push", "Only Pub/Sub calls this function.").answer()
    except Problem as problem:
        return problem.answer()
    except Unavailable as error:
        failure("BigQuery is down", error, "WARNING")
        return _again("BigQuery is down").answer()
    except SuppressionsUnavailable:
        return _again("It cannot be read who was erased").answer()
    if bad:
        await _quarantine(room, delivery, bad, now)
    return Response(status_code=204)


async def _cool(room: Room, delivery: Delivery) -> list[BadLine]:
    topic = delivery.subscription.removeprefix(SUBSCRIPTION)
    retailer = room.registry.by_id.get(delivery.message.attributes.get("retailer", ""))
    if retailer is None:
        return [(0, "the attribute `retailer` names nobody")]
    data = delivery.message.data
    erased_at = remembered(partial(room.suppressions.erased_at, retailer.id))
    match topic:
        case "shopper-events":
            await room.suppressions.fresh()
            records, corrupt = decode_lines(data)
            bad = [(line, f"no record: {where}") for line, where in corrupt]
            skipped = {line for line, _ in corrupt}
            refused = await keep(room.facts, retailer.dataset, cool(records, erased_at))
            if refused:
                lines = [n for n, text in enumerate(data.split(b"\n"), 1) if text.strip() and n not in skipped]
                bad += [(lines[source], rule) for source, rule in refused]
            return bad
        case "decisions":
            await room.suppressions.fresh()
            cooled, unread = cool_decisions(data.split(b"\n"), erased_at)
            refused = await keep(room.facts, retailer.dataset, cooled)
            return [(source + 1, rule) for source, rule in [*unread, *refused]]
        case _:
            raise Problem(
                400,
                "unknown-subscription",
                "This subscription is not cooled",
                f"The subscription's name must be {SUBSCRIPTION}shopper-events or {SUBSCRIPTION}decisions; nothing was "
                "taken. Add the topic to functions/cooling.",
            )


async def _quarantine(room: Room, delivery: Delivery, bad: list[BadLine], now: datetime) -> None:
    """Remembers where and why, never what; the same message again leaves the same documents."""
    named = delivery.message.attributes.get("retailer", "")
    retailer = named if named in room.registry.by_id else ""
    place = {"message": delivery.message.message_id}
    for line, reason in sorted(set(bad)):
        id, data = quarantined(delivery.subscription, retailer, place, line, reason, now)
        await room.documents.create(QUARANTINE, id, data)
    log("WARNING", "lines quarantined", subscription=delivery.subscription, lines=len(bad))


def _again(fact: str) -> Problem:
    detail = f"{fact}, so the message is not acknowledged. Pub/Sub delivers it again; nothing counts twice."
    return Problem(503, "try-again", "The message is not cooled", detail, retry_after_s=1)
