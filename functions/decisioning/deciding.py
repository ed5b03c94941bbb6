"""Reads, folds, publishes and writes, for all shoppers of one message, in an order that a kill cannot break.

Decisions are published before the state that counts their events is written: killed in between, the message comes again
and the same decisions are published again under the same ids and revisions. Does not own the fold (`layers.tree`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from functions.decisioning.room import Room
from functions.decisioning.rules import Delivered, all_counted, packed
from layers.events.record import encode_record
from layers.promises.keeping import ASKED_AGAIN, Left, Purse, promise
from layers.promises.model import PROMISES_UNREADABLE, Unreadable
from layers.promises.rules import wanted
from layers.retailers import Retailer
from layers.shell.log import failure, log
from layers.stores.bigtable.port import Unavailable as HotUnavailable
from layers.tree.catching_up import CaughtUp, Shopper, catch_up, read_row, standing_of
from layers.tree.entitlement import holds
from layers.tree.folding import consent_of, key_of
from layers.tree.live import Live
from layers.tree.offer import drawn
from layers.tree.state import encode_state
from layers.tree.withholding import Own

AT_ONCE = 100
"""Shoppers read at the same time: those of a full message, whose reads travel together (`stores.bigtable.together`)."""

ROUNDS = 8
"""How often a shopper is read again after another message's decision came first, or an offer was refused: five at most
are drawn for one."""


class Contended(Exception):
    """A shopper's state changed under us in every round; the message may come again."""


@dataclass(frozen=True, slots=True)
class _Folded:
    delivered: Delivered
    shopper: Shopper
    caught_up: CaughtUp


async def decide(
    room: Room, retailer: Retailer, live: Live | None, message: Sequence[Delivered], trace: str, now: datetime
) -> tuple[int, int]:
    """Decides every event delivered that is stored.

    Args:
        live: None while nothing is shown; consents are kept then, and nothing is decided.

    Returns:
        How many decisions were published, and for how many shoppers nothing could be done.

    Raises:
        Unavailable: of Bigtable or Pub/Sub. Contended. The message must come again; what was done by then does no harm.
    """
    for delivered in message:
        if delivered.consents:
            await _keep_consents(room, retailer, delivered, now)
    pending = [delivered for delivered in message if delivered.keys]
    if live is None or not pending:
        return 0, 0
    decided = bad = 0
    transient: BaseException | None = None
    own: dict[str, Own] = {}
    for _ in range(ROUNDS):
        gate = asyncio.Semaphore(AT_ONCE)
        folds = await asyncio.gather(
            *(_fold(room, retailer, live, d, now, gate, own.get(d.shopper)) for d in pending), return_exceptions=True
        )
        folded = [fold for fold in folds if isinstance(fold, _Folded)]
        # Before anything is published: nobody is shown what could not be reserved.
        refused = await asyncio.gather(*(_promised(room, retailer, one, now) for one in folded))
        live = replace(live, withheld=live.withheld.union(*(left.campaigns for left in refused)))
        for one, left in zip(folded, refused, strict=True):
            own[one.delivered.shopper] = {**own.get(one.delivered.shopper, {}), **left.own}
        anew = [one.delivered for one, left in zip(folded, refused, strict=True) if left]
        folded = [one for one, left in zip(folded, refused, strict=True) if not left]
        for fold in folds:
            if isinstance(fold, HotUnavailable):
                transient = fold
            elif isinstance(fold, BaseException):
                bad += 1
                failure("a shopper could not be decided; the others are", fold)
        decisions = [decision for one in folded for decision in one.caught_up.decisions]
        if decisions:
            await room.decisions.publish(list(packed(retailer.id, decisions, trace)))
        decided += len(decisions)
        swapped = await asyncio.gather(*(_swap(room, retailer, one) for one in folded), return_exceptions=True)
        for done in swapped:
            if isinstance(done, BaseException):
                transient = done
        pending = anew + [one.delivered for one, done in zip(folded, swapped, strict=True) if done is False]
        if not pending:
            break
    if transient is not None:
        raise transient
    if pending:
        raise Contended(f"{len(pending)} shoppers after {ROUNDS} rounds")
    return decided, bad


async def _fold(
    room: Room,
    retailer: Retailer,
    live: Live,
    delivered: Delivered,
    now: datetime,
    gate: asyncio.Semaphore,
    own: Own | None,
) -> _Folded | None:
    """None where every event delivered is counted already."""
    async with gate:
        erased = room.suppressions.erased_at(retailer.id, delivered.shopper)
        shopper = read_row(await room.rows.read(retailer.id, delivered.shopper), erased)
        if shopper.damaged:
            log("WARNING", "a shopper's row holds what cannot be read", families=", ".join(shopper.damaged))
        if all_counted(shopper.state, delivered):
            return None
        standing = standing_of(retailer, shopper, live, now, own)
        caught_up = await catch_up(
            room.hot, retailer, delivered.shopper, shopper, standing, now, delivered=delivered.keys, erased=erased
        )
        return _Folded(delivered, shopper, caught_up)


async def _promised(room: Room, retailer: Retailer, folded: _Folded, now: datetime) -> Left:
    """What would be shown that no budget has room for, or that this shopper may not have."""
    parameters, decisions, state = folded.shopper.parameters, folded.caught_up.decisions, folded.caught_up.state
    if parameters is None or state is None or not decisions or not drawn(parameters.offers):
        return Left()
    # Those that hold first: of two offers that look the same, the other is not what was shown.
    offers = sorted(parameters.offers, key=lambda offer: not holds(offer, state))
    wishes = wanted(retailer.id, decisions, offers, await room.campaigns.of(retailer), now, state.store)
    if not wishes:
        return Left()
    try:
        purse = Purse.over(room.documents, lambda: now)
        return await promise(purse, retailer.id, folded.delivered.shopper, wishes, now)
    except Unreadable as error:
        # The others of the message are not concerned, and this one is shown what costs nothing.
        failure(PROMISES_UNREADABLE, error)
        return Left(own={(w.promise.campaign, w.promise.product): now + ASKED_AGAIN for w in wishes})


async def _swap(room: Room, retailer: Retailer, folded: _Folded) -> bool:
    """Whether the state is written, or needs not be."""
    if folded.caught_up.state is None:
        return True
    state = encode_state(folded.caught_up.state)
    if state == folded.shopper.raw_state:
        return True
    return await room.rows.swap_state(retailer.id, folded.delivered.shopper, folded.shopper.raw_state, state)


async def _keep_consents(room: Room, retailer: Retailer, delivered: Delivered, now: datetime) -> None:
    """Brings the newest into the row. Ingest has put it there already, unless its acknowledgement was cut off, or two
    are of the same millisecond. Only what is stored counts: what no longer is was erased, and must not come back.
    """
    earliest = min(record.event.at for record in delivered.consents)
    stored = await room.hot.newest_first(retailer, delivered.shopper, now=now, not_before=earliest, limit=20_000)
    newest = max((record for record in stored if consent_of(record) is not None), key=key_of, default=None)
    if newest is not None:
        line = encode_record(
            newest.shopper, newest.session, newest.channel, newest.received, msgspec.json.encode(newest.event)
        )
        await room.rows.write_consent(retailer.id, delivered.shopper, key_of(newest)[0], line)
