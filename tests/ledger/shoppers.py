"""One process of shoppers who redeem at once, each repeating what was said and some changing their minds.

A shopper's wishes follow from the key alone, so a process that is killed and started again wants the same as before.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from layers.declarations.settings import Settings
from layers.ledger.books import Books
from layers.ledger.ledger import Ledger, Wish
from layers.ledger.model import Reservation, Status
from layers.stores.firestore.documents import FirestoreDocuments

SHOP, COUNT, MONEY, DAY = "demo", "campaign-count", "campaign-money", "campaign-day"
STORES = ("campaign-store-north", "campaign-store-south")
AT_ONCE = 25
UNTIL = timedelta(hours=1)


def key_of(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()[:32]


def wishes_of(key: str) -> list[Wish]:
    """One redemption of the campaign's, of the day's and of one store's, and between 0.50 and 3.00 of money."""
    store = STORES[int(key, 16) % len(STORES)]
    return [Wish(COUNT, 1), Wish(MONEY, random.Random(key).randrange(50, 301)), Wish(DAY, 1), Wish(store, 1)]


def steps_of(key: str, settles: bool) -> Iterator[str]:
    """What is asked in this shopper's name, in order; each thing once or more.

    Args:
        settles: nobody changes their mind any more.
    """
    draw = random.Random(f"{key}:steps")
    yield from ["reserve"] * draw.randrange(1, 4)
    mind = 0.0 if settles else draw.random()
    if mind > 0.85:
        yield from ["release"] * draw.randrange(1, 3)
        return
    yield from ["commit"] * draw.randrange(1, 4)
    if mind > 0.7:
        yield from ["refund"] * draw.randrange(1, 3)


async def _settled(ledger: Ledger, step: str, key: str) -> Reservation | None:
    match step:
        case "commit":
            return await ledger.commit(SHOP, key)
        case "release":
            return await ledger.release(SHOP, key)
    return await ledger.refund(SHOP, key)


async def _shopper(ledger: Ledger, key: str, settles: bool) -> Status:
    status = Status.CLAIMING
    for step in steps_of(key, settles):
        if step == "reserve":
            until = datetime.now(UTC) + UNTIL
            status = (await ledger.reserve(SHOP, key, wishes_of(key), until)).status
        else:
            found = await _settled(ledger, step, key)
            assert found is not None
            status = found.status
    return status


async def redeem(documents: FirestoreDocuments, first: int, count: int, settles: bool, at_once: int) -> None:
    """Prints each shopper's number and what the ledger told in the end."""
    ledger = Ledger(Books(documents), lambda: datetime.now(UTC))
    slots = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with slots:
            status = await _shopper(ledger, key_of(number), settles)
            print(number, status.value, flush=True)

    await asyncio.gather(*(one(number) for number in range(first, first + count)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.shoppers", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--settles", action="store_true")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    given = parser.parse_args(sys.argv[1:])
    documents = FirestoreDocuments.of(Settings.of_process())
    asyncio.run(redeem(documents, given.first, given.count, given.settles, given.at_once))
