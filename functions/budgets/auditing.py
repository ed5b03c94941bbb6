"""Promises are compared with the orders, and with the reservations behind them: what was lost between is done again.

From two sides. Whose orders said something is told by the facts, so an order whose message settlement never had is
settled as if it had come now. And all promises are gone through, a part each run and then from the beginning, and
compared with what the ledger holds. Does not own what a difference is (`layers.promises.auditing`), nor what orders
are worth (`layers.promises.settling`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from functions.budgets.going import reached, reaches
from functions.budgets.room import Room
from functions.budgets.rules import MOST_PROMISES, span
from layers.events.record import Record
from layers.ledger.model import Status
from layers.promises.auditing import Gap, gap
from layers.promises.keeping import Purse, read_promises
from layers.promises.model import (
    DELIVERED_WITHIN,
    PROMISES_UNREADABLE,
    Promise,
    Promises,
    Unreadable,
    promises_id,
    read,
)
from layers.promises.paying import settle
from layers.retailers import Retailer
from layers.shell.log import log
from layers.stores.collections import AUDITS, PROMISES

SQL = Path(__file__).with_name("audited.sql").read_text()

AT_ONCE = 20
"""Shoppers that are looked after at the same time."""

READ_AT_MOST = 20_000
"""Of a shopper's events; of who has more nothing is refunded, since the order may be among the others."""

_PAGE = 1000
_ALL = "promises"
_MOMENT = timedelta(milliseconds=1)
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_DIFFERS = "a promise and what became of it differ"


class Audit(msgspec.Struct):
    """Of one run, in numbers.

    Attributes:
        shoppers: whose orders were looked at. promises: that were compared with the ledger.
        late: promises that an order had changed and settlement had not. repaired, unrepaired: other differences.
        unreadable: documents of promises that hold none.
    """

    shoppers: int = 0
    promises: int = 0
    late: int = 0
    repaired: int = 0
    unrepaired: int = 0
    unreadable: list[str] = []


async def audit_orders(room: Room, retailer: Retailer, now: datetime, found: Audit) -> None:
    """Settles what the facts know of and settlement may not. Killed anywhere, the next run does the same again."""
    id = f"{retailer.id}:orders"
    known = await room.documents.get(AUDITS, id)
    asked = span(known.data["until"] if known is not None else None, now)
    if asked is None:
        return
    sql = SQL.replace("{dataset}", room.warehouse.full_name(retailer.dataset))
    bound = {"since": asked[0], "until": asked[1], "oldest": asked[0] - DELIVERED_WITHIN - timedelta(days=10)}
    pages: Iterator[list[dict[str, Any]]] = iter(room.warehouse.pages(sql, bound, _PAGE))
    gate = asyncio.Semaphore(AT_ONCE)
    while (rows := await asyncio.to_thread(next, pages, None)) is not None:
        await asyncio.gather(*(_late(room, retailer, str(row["shopper"]), now, found, gate) for row in rows))
    await reaches(room, id, asked[1])


async def _late(
    room: Room, retailer: Retailer, shopper: str, now: datetime, found: Audit, gate: asyncio.Semaphore
) -> None:
    async with gate:
        found.shoppers += 1
        try:
            changed, _ = await _settled(room, retailer, shopper, now, again=False)
        except Unreadable:
            _unreadable(retailer, promises_id(retailer.id, shopper), found)
            return
        found.late += len(changed)
        for one in changed:
            _tell(retailer, one, "late", not one.unbudgeted)


async def audit_promises(room: Room, now: datetime, found: Audit) -> None:
    """Compares the next so many promises with the ledger, of all retailers; after the last ones, the first again."""
    documents = await room.documents.later(PROMISES, "at", await reached(room, _ALL, _EARLIEST), MOST_PROMISES)
    for document in documents:
        retailer = room.registry.by_id.get(str(document.data.get("retailer", "")))
        if retailer is None:
            continue
        try:
            promises = read(document.data)
        except Unreadable:
            _unreadable(retailer, document.id, found)
            continue
        for one in promises.promises:
            found.promises += 1
            await _compared(room, retailer, document.id, one, now, found)
    ended = len(documents) < MOST_PROMISES
    await reaches(room, _ALL, _EARLIEST if ended else documents[-1].data["at"] + _MOMENT)


async def _compared(room: Room, retailer: Retailer, id: str, one: Promise, now: datetime, found: Audit) -> None:
    differs = await _gap(room, retailer, one, now)
    if differs is None:
        return
    done = await _repaired(room, retailer, id, one, now)
    found.repaired += done
    found.unrepaired += not done
    _tell(retailer, one, differs.value, done)


def _tell(retailer: Retailer, one: Promise, gap: str, done: bool) -> None:
    status = "repaired" if done else "unrepaired"
    log("WARNING", _DIFFERS, retailer=retailer.id, gap=gap, status=status, campaign=one.campaign, fate=one.fate.value)


async def _gap(room: Room, retailer: Retailer, one: Promise, now: datetime) -> Gap | None:
    purse = Purse.over(room.documents, lambda: now)
    kept = await purse.books.reservation(retailer.id, one.key)
    if kept is not None and kept.value.status.endswith("ing"):
        return gap(one, await purse.ledger.finish(retailer.id, one.key), now)
    return gap(one, kept.value if kept is not None else None, now)


async def _repaired(room: Room, retailer: Retailer, id: str, one: Promise, now: datetime) -> bool:
    """The events decide once more, and where they say nothing of it, the document: it is written after the ledger."""
    shopper = await _shopper(room, retailer, id, one)
    if shopper is None:
        return False
    _, whole = await _settled(room, retailer, shopper, now, again=True)
    _, promises = await read_promises(room.documents, retailer.id, shopper)
    current = next((each for each in promises.promises if each.key == one.key), None) if promises is not None else None
    if current is None:
        return True
    left = await _gap(room, retailer, current, now)
    if left is Gap.SPENT and whole and one.at > now - timedelta(days=retailer.contract.transactions - 1):
        # No order of all that are stored earned it, and none can any more.
        refunded = await Purse.over(room.documents, lambda: now).ledger.refund(retailer.id, one.key)
        return refunded is not None and refunded.status is Status.REFUNDED
    # What the promise says now that no budget pays it is told, and paid by none.
    return left is None and current.unbudgeted <= one.unbudgeted


async def _shopper(room: Room, retailer: Retailer, id: str, one: Promise) -> str | None:
    """Whose promise it is: of the decisions of that moment, whose pseudonym has this digest. No statement names it."""
    sql = f"SELECT DISTINCT d.shopper FROM `{room.warehouse.full_name(retailer.dataset)}.decisions` AS d" + (
        " WHERE d.`at` >= @first AND d.`at` < @last"
    )
    moment = one.at.replace(microsecond=one.at.microsecond // 1000 * 1000)
    bound = {"first": moment, "last": moment + _MOMENT}
    rows = await asyncio.to_thread(room.warehouse.query, sql, bound)
    return next((str(row["shopper"]) for row in rows if promises_id(retailer.id, str(row["shopper"])) == id), None)


async def _settled(
    room: Room, retailer: Retailer, shopper: str, now: datetime, *, again: bool
) -> tuple[list[Promise], bool]:
    """What changed, and whether all of the shopper's events could be read."""
    most = 0

    async def look(promises: Promises) -> Sequence[Record]:
        nonlocal most
        oldest = min(one.at for one in promises.promises)
        stored = await room.hot.newest_first(retailer, shopper, now=now, not_before=oldest, limit=READ_AT_MOST)
        most = max(most, len(stored))
        erased = room.suppressions.erased_at(retailer.id, shopper)
        return [record for record in stored if erased is None or record.event.at > erased]

    purse = Purse.over(room.documents, lambda: now)
    changed = await settle(purse, retailer.id, shopper, look, now, again=again)
    return changed, most < READ_AT_MOST


def _unreadable(retailer: Retailer, id: str, found: Audit) -> None:
    found.unreadable.append(id)
    log("ERROR", PROMISES_UNREADABLE, retailer=retailer.id)
