"""Brings the ledger to what promises became, and writes them down. Each step may be repeated and killed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from layers.events.record import Record
from layers.ledger.model import Reservation, Status
from layers.promises import rules
from layers.promises.keeping import Purse, read_promises
from layers.promises.model import DELIVERED_WITHIN, Fate, Promise, Promises, document
from layers.promises.settling import settled
from layers.stores.collections import PROMISES

Look = Callable[[Promises], Awaitable[Sequence[Record]]]
"""The shopper's stored events since the oldest of these promises."""


async def settle(
    purse: Purse, retailer_id: str, shopper: str, look: Look, now: datetime, *, again: bool = False
) -> list[Promise]:
    """The ledger first, then the document: killed in between, the same is done again.

    The events are read after the document that is written over, each time: whoever knew less never has the last word.

    Args:
        again: bring the ledger to all promises anew, not to those alone that the events change.

    Returns:
        The promises that changed, as they are now.

    Raises:
        Unreadable: this shopper's promises; nothing is settled.
    """
    while True:
        found, promises = await read_promises(purse.documents, retailer_id, shopper)
        if found is None or promises is None or not promises.promises:
            return []
        records = await look(promises)
        become = {one.key: one for one in settled(promises.promises, records)}
        # Whoever wrote in between may have moved the money first and been overtaken by this one's older knowledge.
        wanted = [become.get(one.key, one) for one in promises.promises if again or one.key in become]
        paid = [await _paid(purse, retailer_id, each, now) for each in wanted]
        before = {one.key: one for one in promises.promises}
        changed = [one for one in paid if one != before[one.key]]
        if not changed:
            return []
        after = rules.changed(promises, {one.key: one for one in changed}, now)
        if await purse.documents.replace(PROMISES, found, document(after)):
            return changed
        again = True


async def _paid(purse: Purse, retailer_id: str, promise: Promise, now: datetime) -> Promise:
    """The promise as the ledger could keep it."""
    ledger = purse.ledger
    match promise.fate:
        case Fate.ORDERED:
            return _unless_gone(promise, await ledger.extend(retailer_id, promise.key, now + DELIVERED_WITHIN))
        case Fate.EARNED:
            amounts = dict.fromkeys(promise.money, promise.earned)
            done = await ledger.commit(retailer_id, promise.key, amounts)
            if done is not None and _most(promise, done) > promise.earned:
                done = await ledger.lower(retailer_id, promise.key, amounts)
            return _unless_gone(promise, done)
        case Fate.NOT_EARNED | Fate.RETURNED:
            done = await ledger.release(retailer_id, promise.key)
            if done is not None and done.status is Status.COMMITTED:
                await ledger.refund(retailer_id, promise.key)
    return promise


def _unless_gone(promise: Promise, done: Reservation | None) -> Promise:
    """Of what was released, or lowered, before the order told better, no budget holds anything."""
    if done is None or done.status in (Status.RELEASED, Status.REFUNDED):
        return replace(promise, fate=Fate.LAPSED, unbudgeted=promise.earned)
    if promise.fate is not Fate.EARNED or done.status is not Status.COMMITTED:
        return promise
    paid = [claim.settled for claim in done.claims if claim.budget in promise.money]
    return replace(promise, unbudgeted=max(0, promise.earned - min(paid, default=promise.earned)))


def _most(promise: Promise, done: Reservation) -> int:
    """What the budget that pays most of it pays."""
    return max((claim.settled for claim in done.claims if claim.budget in promise.money), default=0)
