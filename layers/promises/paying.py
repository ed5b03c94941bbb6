"""Brings the ledger to what promises became, and writes them down. Each step may be repeated and killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from layers.events.record import Record
from layers.ledger.model import Status
from layers.promises import rules
from layers.promises.keeping import Purse, read_promises
from layers.promises.model import DELIVERED_WITHIN, Fate, Promise, document
from layers.promises.settling import settled
from layers.stores.collections import PROMISES


async def settle(
    purse: Purse, retailer_id: str, shopper: str, records: Sequence[Record], now: datetime
) -> list[Promise]:
    """The ledger first, then the document: killed in between, the same is done again.

    Returns:
        The promises that changed, as they are now.
    """
    while True:
        found, promises = await read_promises(purse.documents, retailer_id, shopper)
        if found is None or promises is None:
            return []
        changed = [await _paid(purse, retailer_id, each, now) for each in settled(promises.promises, records)]
        if not changed:
            return []
        after = rules.changed(promises, {one.key: one for one in changed}, now)
        if await purse.documents.replace(PROMISES, found, document(after)):
            return changed


async def _paid(purse: Purse, retailer_id: str, promise: Promise, now: datetime) -> Promise:
    ledger = purse.ledger
    match promise.fate:
        case Fate.ORDERED:
            done = await ledger.extend(retailer_id, promise.key, now + DELIVERED_WITHIN)
        case Fate.EARNED:
            amounts = dict.fromkeys(promise.money, promise.earned)
            done = await ledger.commit(retailer_id, promise.key, amounts)
        case Fate.NOT_EARNED:
            await ledger.release(retailer_id, promise.key)
            return promise
        case Fate.RETURNED:
            await ledger.refund(retailer_id, promise.key)
            return promise
        case _:
            return promise
    if done is None or done.status in (Status.RELEASED, Status.REFUNDED):
        return replace(promise, fate=Fate.LAPSED, earned=0)
    return promise
