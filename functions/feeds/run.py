"""One run for one retailer: the catalogue, then each new file of orders, several at a time, until time is up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.feeds.deliveries import Deliveries, Unreadable
from functions.feeds.front_door import Closed, FrontDoor
from functions.feeds.ledger import FAILED, TAKEN, Ledger, Page
from functions.feeds.rules import BadLine, Batch, batches, is_erased, products, refused
from layers.facts import PRODUCTS
from layers.retailers import Feed, Retailer
from layers.stores.bigquery.port import Unavailable, Warehouse

FILES_AT_ONCE = 4
SAVE_EVERY_BATCHES = 8
"""After a kill at most this many requests of a file are sent again; again is harmless, only not free."""

LISTED = 100
"""Bad lines named in the answer; all of them are in quarantine."""


@dataclass(frozen=True, slots=True)
class Retail:
    """A retailer with what a run needs of it."""

    retailer: Retailer
    feed: Feed
    deliveries: Deliveries
    door: FrontDoor
    ledger: Ledger
    warehouse: Warehouse


async def run(
    retail: Retail, now: datetime, until: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Takes what is new.

    Args:
        now: kept in the ledger. until: of `clock`, when to stop starting requests.

    Returns:
        The report: counts, bad lines by file and line, failures, and `more` if time ran out.
    """
    started = clock()
    report: dict[str, Any] = {"retailer": retail.retailer.id, "products": None}
    pages: list[Page] = []
    failures: list[dict[str, str]] = []
    try:
        catalogue = await asyncio.to_thread(retail.deliveries.list, retail.feed.catalogue_key)
        for page in await retail.ledger.open_pages(catalogue):
            pages.append(page)
            report["products"] = await _take_catalogue(retail, page, now)
        orders = await asyncio.to_thread(retail.deliveries.list, retail.feed.orders_prefix)
        waiting = await retail.ledger.open_pages(orders)
        pages += waiting
        slots = asyncio.Semaphore(FILES_AT_ONCE)
        await asyncio.gather(*(_take_orders(retail, page, slots, now, until, clock) for page in waiting))
    except Unreadable as error:
        failures.append({"file": "", "reason": str(error)})
    failures += [{"file": page.object.key, "reason": page.failure} for page in pages if page.status == FAILED]
    taken = sum(page.orders_now for page in pages)
    bad = [{"file": p.object.key, "line": line.line, "reason": line.reason} for p in pages for line in p.bad]
    return report | {
        "files": sum(page.status == TAKEN for page in pages),
        "orders": taken,
        "events": taken,
        "erased": sum(page.erased_now for page in pages),
        "quarantined": len(bad),
        "bad_lines": bad[:LISTED],
        "failures": failures,
        "more": any(page.status not in (TAKEN, FAILED) for page in pages),
        "seconds": round(clock() - started, 3),
    }


async def _take_catalogue(retail: Retail, page: Page, now: datetime) -> int:
    try:
        rows, bad = await asyncio.to_thread(lambda: products(retail.deliveries.lines(page.object.key)))
        await retail.ledger.quarantine(page, bad, now)
        if not rows:
            raise Unreadable("the catalogue holds no valid product, so the one before stays in force; deliver it again")
        await asyncio.to_thread(retail.warehouse.replace, retail.retailer.dataset, PRODUCTS, rows)
        page.status = TAKEN
    except (Unreadable, Unavailable) as error:
        rows = []
        page.status, page.failure = FAILED, str(error)
    await retail.ledger.save(page, now)
    return len(rows)


async def _take_orders(
    retail: Retail, page: Page, slots: asyncio.Semaphore, now: datetime, until: float, clock: Callable[[], float]
) -> None:
    async with slots:
        if clock() >= until:
            return
        coming = batches(retail.deliveries.lines(page.object.key), after=page.lines)
        since_saved = 0
        try:
            while (batch := await asyncio.to_thread(_next, coming)) is not None:
                said = await asyncio.to_thread(_send, retail.door, batch)
                bad = [line for line in said if not is_erased(line)]
                await retail.ledger.quarantine(page, batch.bad + bad, now)
                page.lines = batch.last_line
                page.erased_now += len(said) - len(bad)
                sent = len(batch.lines) - len(said)
                page.orders += sent
                page.orders_now += sent
                since_saved += 1
                if clock() >= until:
                    break
                if since_saved >= SAVE_EVERY_BATCHES:
                    await retail.ledger.save(page, now)
                    since_saved = 0
            else:
                page.status = TAKEN
        except (Unreadable, Closed) as error:
            page.status, page.failure = FAILED, str(error)
        await retail.ledger.save(page, now)


def _next(coming: Iterator[Batch]) -> Batch | None:
    return next(coming, None)


def _send(door: FrontDoor, batch: Batch) -> list[BadLine]:
    """Sends a request; where the door refuses it as a whole, halves it until the line that is to blame is found."""
    if not batch.lines:
        return []
    answer = door.send(batch.body)
    if answer.taken:
        return refused(batch, answer.rejected)
    if len(batch.lines) == 1:
        return [BadLine(batch.lines[0], answer.reason)]
    return [bad for half in batch.halves() for bad in _send(door, half)]
