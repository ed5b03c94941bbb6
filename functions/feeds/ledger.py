"""What was taken of each delivered object: the memory that makes «exactly once» of files that stay where they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from functions.feeds.deliveries import Delivered
from functions.feeds.rules import BadLine, ledger_id
from layers.stores.collections import FEED_FILES, QUARANTINE
from layers.stores.firestore.port import Documents
from layers.stores.quarantine import quarantined

TAKING, TAKEN, FAILED = "taking", "taken", "failed"


@dataclass(slots=True)
class Page:
    """One version of one object. `lines` is how far it was acknowledged, `orders` what of it was taken in all, and
    `orders_now` in this run. `erased_now`: refused in this run, as from before their shopper's erasure."""

    retailer_id: str
    object: Delivered
    status: str = TAKING
    lines: int = 0
    orders: int = 0
    orders_now: int = 0
    erased_now: int = 0
    quarantined: int = 0
    bad: list[BadLine] = field(default_factory=list)
    failure: str = ""


class Ledger:
    """Of one retailer.

    One run at a time writes it (the service has one instance and takes one request); two runs at once would send some
    orders twice, which changes nothing, since an order's event id is its own.
    """

    def __init__(self, documents: Documents, retailer_id: str) -> None:
        self._documents, self._retailer_id = documents, retailer_id

    async def open_pages(self, delivered: list[Delivered]) -> list[Page]:
        """Pages of the objects that are new or were not finished, in their order."""
        known = {d.id: d.data for d in await self._documents.find(FEED_FILES, retailer=self._retailer_id)}
        pages = []
        for item in delivered:
            data = known.get(ledger_id(self._retailer_id, item.key, item.version), {})
            if data.get("status") != TAKEN:
                pages.append(
                    Page(
                        self._retailer_id,
                        item,
                        lines=int(data.get("lines", 0)),
                        orders=int(data.get("orders", 0)),
                        quarantined=int(data.get("quarantined", 0)),
                    )
                )
        return pages

    async def save(self, page: Page, now: datetime) -> None:
        await self._documents.put(
            FEED_FILES,
            ledger_id(page.retailer_id, page.object.key, page.object.version),
            {
                "retailer": page.retailer_id,
                "file": page.object.key,
                "version": page.object.version,
                "status": page.status,
                "lines": page.lines,
                "orders": page.orders,
                "quarantined": page.quarantined,
                "failure": page.failure,
                "at": now,
            },
        )

    async def quarantine(self, page: Page, bad: list[BadLine], now: datetime) -> None:
        """Remembers where each bad line stands and why; a line is quarantined once, however often it is read."""
        place = {"file": page.object.key, "version": page.object.version}
        for line in bad:
            id, data = quarantined("feeds", page.retailer_id, place, line.line, line.reason, now)
            await self._documents.create(QUARANTINE, id, data)
        page.bad.extend(bad)
        page.quarantined += len(bad)
