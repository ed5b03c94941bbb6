"""Promises in Firestore, and the reservations behind them: made before anybody is shown what they promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from layers.campaigns.opening import open_missing
from layers.campaigns.withheld import Why, withhold
from layers.ledger.books import Books
from layers.ledger.ledger import Ledger, UnknownBudget
from layers.ledger.model import Reservation, Status
from layers.promises import rules
from layers.promises.limits import Because, Refused, refusal
from layers.promises.model import Promises, document, promises_id, read
from layers.promises.rules import Wanted
from layers.shell.log import log
from layers.stores.collections import PROMISES
from layers.stores.firestore.port import Document, Documents

ASKED_AGAIN = timedelta(hours=1)
"""After which a shopper who got nothing is offered it again: perhaps in another store, or the budget has grown."""


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


Found = tuple[Document | None, Promises | None]
"""A shopper's promises, and the document that they were read from."""


async def read_promises(documents: Documents, retailer_id: str, shopper: str) -> Found:
    found = await documents.get(PROMISES, promises_id(retailer_id, shopper))
    return found, read(found.data) if found is not None else None


@dataclass(slots=True)
class Left:
    """What may not be shown.

    Attributes:
        campaigns: whose budgets had no room, so that they are withheld from everybody.
        own: by (campaign, product), what this shopper may not have before a moment.
    """

    campaigns: set[str] = field(default_factory=set)
    own: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.campaigns or self.own)


async def promise(purse: Purse, retailer_id: str, shopper: str, wishes: Sequence[Wanted], now: datetime) -> Left:
    """Reserves what the shopper does not hold yet, and writes it down. Safe to repeat, and to be killed: what is
    reserved and not written down expires.

    Raises:
        Unreadable: this shopper's promises; nothing is reserved.
    """
    left = Left()
    for wish in wishes:
        known = await read_promises(purse.documents, retailer_id, shopper)
        if rules.held(known[1], wish.promise):
            continue
        refused = refusal(known[1], wish.promise, wish.limits, now)
        if refused is None:
            refused = await _reserve(purse, retailer_id, shopper, wish, known, left, now)
        if refused is not None:
            left.own[wish.promise.campaign, wish.promise.product] = refused.until
            log(
                "INFO", "a shopper is not promised an offer", retailer=retailer_id, campaign=wish.promise.campaign,
                because=refused.because.value,
            )  # fmt: skip
    return left


async def _reserve(
    purse: Purse, retailer_id: str, shopper: str, wish: Wanted, known: Found, left: Left, now: datetime
) -> Refused | None:
    """Why this shopper alone gets nothing; a campaign that has no room for anybody goes into `left`."""
    reservation = await _reserved(purse, retailer_id, wish)
    if reservation.status is Status.RESERVED:
        return await write_down(purse, retailer_id, shopper, wish, now, known)
    if reservation.status is not Status.REFUSED:
        return Refused(Because.TOO_LATE, now + ASKED_AGAIN)
    paid = next(paid for paid in wish.budgets if paid.budget == reservation.refused_by)
    if paid.local:
        return Refused(Because.STORE_USED_UP, min(paid.until, now + ASKED_AGAIN))
    left.campaigns.add(wish.promise.campaign)
    if not await open_missing(purse.books, retailer_id, [paid]):  # Else it has grown, and the next who asks gets it.
        await withhold(purse.documents, retailer_id, wish.promise.campaign, Why.EXHAUSTED, paid.until, now)
    return None


async def _reserved(purse: Purse, retailer_id: str, wish: Wanted) -> Reservation:
    key, until = wish.promise.key, wish.promise.until
    try:
        return await purse.ledger.reserve(retailer_id, key, wish.wishes, until)
    except UnknownBudget:
        # The first promise of a new day, week or month.
        await open_missing(purse.books, retailer_id, wish.budgets)
        return await purse.ledger.reserve(retailer_id, key, wish.wishes, until)


async def write_down(
    purse: Purse, retailer_id: str, shopper: str, wish: Wanted, now: datetime, known: Found | None = None
) -> Refused | None:
    """Of what is reserved. Where the shopper holds the same by now, or may not have it any more, it is released again.

    Args:
        known: what was read a moment ago; where somebody has written since, it is read again.

    Returns:
        Why it was not written down, in the second case.
    """
    id = promises_id(retailer_id, shopper)
    while True:
        found, promises = known or await read_promises(purse.documents, retailer_id, shopper)
        known = None
        if rules.held(promises, wish.promise):
            if promises is not None and all(one.key != wish.promise.key for one in promises.promises):
                await purse.ledger.release(retailer_id, wish.promise.key)  # Another delivery promised it first.
            return None
        refused = refusal(promises, wish.promise, wish.limits, now)
        if refused is not None:
            await purse.ledger.release(retailer_id, wish.promise.key)
            return refused
        data = document(rules.added(retailer_id, promises, wish.promise, now))
        if found is None:
            done = await purse.documents.create(PROMISES, id, data)
        else:
            done = await purse.documents.replace(PROMISES, found, data)
        if done:
            return None
