"""The shell of budgets: a Scheduler run in, what each budget has left out."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.budgets.auditing import Audit, audit_orders, audit_promises
from functions.budgets.ordering import give_back, in_order, next_local
from functions.budgets.room import Room, make
from functions.budgets.rules import has_room
from layers.campaigns.budgets import paid_from
from layers.campaigns.published import campaigns_of, rules_of
from layers.campaigns.withheld import Why, reasons_in, show_again
from layers.ledger.healing import Healed
from layers.retailers import Retailer
from layers.shell.answers import Problem, json_answer
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log
from layers.shell.schedule import InvalidSchedule, scheduled_time
from layers.stores.collections import WITHHELD

room = Lazily(make)


@functions_framework.aio.http
async def budgets(request: Request) -> Response:
    """A Cloud Scheduler run."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("the budgets could not be looked at", error)
        return Problem(503, "try-again", "The run did not start", "Something failed; run the job again.").answer()


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; 503 when a budget is not in order. A run again does no harm.

    Args:
        now: the real now, for a call that brings no scheduled time.
    """
    try:
        scheduled = scheduled_time(request.headers, now)
    except InvalidSchedule as error:
        return Problem(400, "invalid-schedule", "The run has no clock", str(error)).answer()
    told, broken = [], 0
    for retailer in room.registry:
        try:
            found, bad = await _look(room, retailer, scheduled)
            broken += bad
            told.append({"retailer": retailer.id, "budgets": found})
        except Exception as error:
            # One retailer's trouble must not cost the others their run.
            failure("a retailer's budgets could not be looked at", error)
            log("ERROR", "a budget could not be put in order", retailer=retailer.id, budget="")
            broken += 1
    given_back, bad = await give_back(room, scheduled)
    local, bad_local = await next_local(room, scheduled)
    broken += bad + bad_local
    audited = Audit()
    broken += await _audit(room, scheduled, audited)
    if not broken:
        log("INFO", "all budgets are in order", retailers=len(told))
    answered = {
        "at": scheduled, "retailers": told, "given_back": given_back, "stores": len(local), "audit": audited,
        "broken": broken,
    }  # fmt: skip
    return json_answer(answered, status=503 if broken else 200)


async def _audit(room: Room, now: datetime, found: Audit) -> int:
    """How much of it failed: a retailer's orders, or the promises of all."""
    await room.suppressions.fresh()
    broken = 0
    parts = [(r.id, audit_orders(room, r, now, found)) for r in room.registry]
    for name, part in [*parts, ("", audit_promises(room, now, found))]:
        try:
            await part
        except Exception as error:
            failure("promises could not be audited; the next run begins where this one did", error)
            log("ERROR", "promises could not be audited", retailer=name)
            broken += 1
    log(
        "INFO", "promises were audited", shoppers=found.shoppers, promises=found.promises, late=found.late,
        repaired=found.repaired, unrepaired=found.unrepaired, unreadable=len(found.unreadable),
    )  # fmt: skip
    return broken


async def _look(room: Room, retailer: Retailer, now: datetime) -> tuple[list[Healed], int]:
    healed, broken = await in_order(room, retailer, now)
    await _show_again(room, retailer, {one.balance.budget: one for one in healed}, now)
    return healed, broken


async def _show_again(room: Room, retailer: Retailer, healed: dict[str, Healed], now: datetime) -> None:
    document = await room.documents.get(WITHHELD, retailer.id)
    exhausted = [
        name for name, why in reasons_in(document.data if document else None).items() if Why.EXHAUSTED.value in why
    ]
    if not exhausted:
        return
    rules = await rules_of(room.documents, retailer)
    balances = {name: one.balance for name, one in healed.items()}
    for one in await campaigns_of(room.documents, retailer.id):
        name = one.campaign.campaign
        if name in exhausted and has_room(one.campaign, paid_from(one.campaign, rules, now), balances):
            await show_again(room.documents, retailer.id, name, (Why.EXHAUSTED,), now)
            log("INFO", "a campaign has room again", retailer=retailer.id, campaign=name)
