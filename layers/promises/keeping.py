"""Promises in Firestore, and the reservations behind them: made before anybody is shown what they promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from layers.campaigns.opening import open_all
from layers.campaigns.withheld import Why, withhold
from layers.ledger.books import Books
from layers.ledger.ledger import Ledger, UnknownBudget
from layers.ledger.model import Reservation, Status
from layers.promises import rules
from layers.promises.model import Promises, document, promises_id, read
from layers.promises.rules import Wanted
from layers.stores.collections import PROMISES
from layers.stores.firestore.port import Document, Documents


@dataclass(frozen=True, slots=True)
class Purse:
    """What reservations are made with: `books` and `ledger` over the same `documents`."""

    documents: Documents
    books: Books
    ledger: Ledger

    @classmethod
    def over(cls, documents: Documents, now: Callable[[], datetime]) -> Purse:
        books = Books(documents)
        return cls(documents, books, Ledger(books, now))


async def read_promises(
    documents: Documents, retailer_id: str, shopper: str
) -> tuple[Document | None, Promises | None]:
    found = await documents.get(PROMISES, promises_id(retailer_id, shopper))
    return found, read(found.data) if found is not None else None


async def promise(
    purse: Purse, retailer_id: str, shopper: str, wishes: Sequence[Wanted], now: datetime
) -> frozenset[str]:
    """Reserves what the shopper does not hold yet, and writes it down. Safe to repeat, and to be killed: what is
    reserved and not written down expires.

    Returns:
        The campaigns whose budgets had no room; they are withheld from everybody until their period ends.
    """
    refused: set[str] = set()
    for wish in wishes:
        _, promises = await read_promises(purse.documents, retailer_id, shopper)
        if rules.held(promises, wish.promise):
            continue
        reservation = await _reserved(purse, retailer_id, wish)
        if reservation.status is Status.REFUSED:
            refused.add(wish.promise.campaign)
            until = next(paid.until for paid in wish.budgets if paid.budget == reservation.refused_by)
            await withhold(purse.documents, retailer_id, wish.promise.campaign, Why.EXHAUSTED, until, now)
        elif reservation.status is Status.RESERVED:
            await write_down(purse, retailer_id, shopper, wish, now)
    return frozenset(refused)


async def _reserved(purse: Purse, retailer_id: str, wish: Wanted) -> Reservation:
    key, until = wish.promise.key, wish.promise.until
    try:
        return await purse.ledger.reserve(retailer_id, key, wish.wishes, until)
    except UnknownBudget:
        # The first promise of a new day, week or month.
        await open_all(purse.books, retailer_id, wish.budgets)
        return await purse.ledger.reserve(retailer_id, key, wish.wishes, until)


async def write_down(purse: Purse, retailer_id: str, shopper: str, wish: Wanted, now: datetime) -> None:
    """Of what is reserved. Where the shopper holds the same by now, it is released again."""
    id = promises_id(retailer_id, shopper)
    while True:
        found, promises = await read_promises(purse.documents, retailer_id, shopper)
        if rules.held(promises, wish.promise):
            if promises is not None and all(one.key != wish.promise.key for one in promises.promises):
                await purse.ledger.release(retailer_id, wish.promise.key)  # Another delivery promised it first.
            return
        data = document(rules.added(retailer_id, promises, wish.promise, now))
        if found is None:
            done = await purse.documents.create(PROMISES, id, data)
        else:
            done = await purse.documents.replace(PROMISES, found, data)
        if done:
            return
