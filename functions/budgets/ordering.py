"""The ledger's books in order: budgets healed, reservations that ran out given back. What is very many goes in turn.

Does not own what healing is (`layers.ledger.healing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from functions.budgets.going import reached, reaches
from functions.budgets.room import Room
from functions.budgets.rules import KEPT_IN_ORDER, MOST_BUDGETS, MOST_RESERVATIONS
from layers.ledger.books import Books
from layers.ledger.healing import Healed, heal
from layers.ledger.ledger import Ledger
from layers.ledger.model import Budget, Status
from layers.retailers import Retailer
from layers.shell.log import failure, log
from layers.stores.collections import BUDGETS, RESERVATIONS
from layers.stores.firestore.port import Document

_MOMENT = timedelta(microseconds=1)
_OUTSTANDING = frozenset({Status.CLAIMING, Status.RESERVED})


async def in_order(room: Room, retailer: Retailer, now: datetime) -> tuple[list[Healed], int]:
    """All budgets but the local ones, and how many could not be put in order."""
    return await _healed(room, await room.documents.find(BUDGETS, retailer=retailer.id, local=False), now)


async def next_local(room: Room, now: datetime) -> tuple[list[Healed], int]:
    """The next so many local budgets of all retailers, from those whose period ended long ago to those to come."""
    begin = now - KEPT_IN_ORDER
    since = max(begin, await reached(room, "budgets", begin))
    documents = await room.documents.later(BUDGETS, "until", since, MOST_BUDGETS)
    found = await _healed(room, documents, now)
    # At the end, from the beginning: with the run after next, `begin` is later.
    ended = len(documents) < MOST_BUDGETS
    await reaches(room, "budgets", begin if ended else documents[-1].data["until"] + _MOMENT)
    return found


async def _healed(room: Room, documents: Iterable[Document], now: datetime) -> tuple[list[Healed], int]:
    books = Books(room.documents)
    ledger = Ledger(books, lambda: now)
    healed, broken = [], 0
    for document in documents:
        retailer, name = str(document.data["retailer"]), str(document.data["budget"])
        try:
            done = await heal(books, ledger, msgspec.convert(document.data, Budget), now)
        except Exception as error:
            failure("a budget could not be put in order; the others are", error)
            log("ERROR", "a budget could not be put in order", retailer=retailer, budget=name)
            broken += 1
            continue
        healed.append(done)
        log(
            "INFO", "a budget was put in order", retailer=retailer, budget=name, limit=done.balance.limit,
            spent=done.balance.spent, held=done.balance.held, free=done.balance.free, expired=done.expired,
            unfinished=done.unfinished, strays=done.strays,
        )  # fmt: skip
    return healed, broken


async def give_back(room: Room, now: datetime) -> tuple[int, int]:
    """Releases what ran out, in the order of running out, however many budgets it is of.

    Returns:
        How many reservations were released, and how many could not be.
    """
    ledger = Ledger(Books(room.documents), lambda: now)
    since = await reached(room, "reservations", now - KEPT_IN_ORDER)
    released = broken = 0
    documents = await room.documents.later(RESERVATIONS, "until", since, MOST_RESERVATIONS)
    over = [document for document in documents if document.data["until"] <= now]
    for document in over:
        if document.data["status"] not in _OUTSTANDING:
            continue
        try:
            await ledger.release(str(document.data["retailer"]), str(document.data["key"]))
            released += 1
        except Exception as error:
            failure("a reservation could not be given back; the others are", error)
            log("ERROR", "a budget could not be put in order", retailer=str(document.data["retailer"]), budget="")
            broken += 1
    if over:
        await reaches(room, "reservations", over[-1].data["until"] + _MOMENT)
    return released, broken
