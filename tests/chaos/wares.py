"""Events for the load: of several types and tables, drawn from a seed, each under an id of its own."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.ledger import Batch

SHOPPERS = 200
"""As many as keep a shopper's day short: decisioning looks at all of it again when an event comes late."""

TYPES = (*("PageViewed", "Searched", "AddedToBasket", "OrderPaid") * 2, "ConsentChanged")


class Wares:
    """Args:
    prefix: of every event id and customer id, so that a scenario finds its own again.
    """

    def __init__(self, prefix: str, seed: int) -> None:
        self.prefix, self._chance = prefix, random.Random(f"{prefix}{seed}")
        self._count = itertools.count()

    def event(self, mark: str = "", ago: timedelta = timedelta(0), type: str | None = None) -> dict[str, Any]:
        """Args:
        mark: stands in the id, for faults that look for it. ago: how long before now it happened.
        """
        chance = self._chance
        id = f"{self.prefix}{mark}{next(self._count):06d}"
        at = datetime.now(UTC) - ago - timedelta(milliseconds=chance.randint(0, 5000))
        happened = {"id": id, "at": at.isoformat(timespec="milliseconds")}
        product = f"p{chance.randint(0, 50)}"
        match type or chance.choice(TYPES):
            case "PageViewed":
                return {"type": "PageViewed", **happened, "page": "/fruit", "kind": "category", "category": "FRUIT"}
            case "Searched":
                return {"type": "Searched", **happened, "query": "oat milk", "results": chance.randint(0, 90)}
            case "OrderPaid":
                lines = [{"product": f"p{n}", "paid": 1.5 + n} for n in range(chance.randint(1, 4))]
                total = sum(line["paid"] for line in lines)  # type: ignore[misc]
                return {"type": "OrderPaid", **happened, "order": f"o-{id}", "total": total, "lines": lines}
            case "ConsentChanged":
                purposes = dict.fromkeys(("measurement", "personalisation", "advertising", "rewards"), True)
                return {"type": "ConsentChanged", **happened, "purposes": purposes}
            case _:
                quantity = chance.randint(1, 5)
                return {"type": "AddedToBasket", **happened, "product": product, "quantity": quantity, "price": 2.5}

    def batch(self, events: int | None = None, mark: str = "", ago: timedelta = timedelta(0)) -> Batch:
        """Args:
        events: how many; drawn if not given.
        """
        customer = f"{self.prefix}shopper-{self._chance.randint(0, SHOPPERS - 1)}"
        many = events or self._chance.choice((1, 1, 2, 4))
        return Batch(customer, "s1", tuple(self.event(mark, ago) for _ in range(many)))

    def mixed(self, events: int, mark: str) -> Batch:
        """A batch of which one event, in the middle, bears the mark."""
        found = [self.event(mark if place == events // 2 else "") for place in range(events)]
        return Batch(f"{self.prefix}shopper-{self._chance.randint(0, SHOPPERS - 1)}", "s1", tuple(found))

    def heavy(self, size: int) -> Batch:
        """One order of about so many bytes an event, filling a request of 64 KiB nearly."""
        lines = [{"product": "p" * 60 + str(n), "paid": 1.5, "quantity": 2.0} for n in range(max(1, size // 110))]
        each = {**self.event(type="OrderPaid"), "lines": lines, "total": 1.5 * len(lines)}
        return Batch(f"{self.prefix}shopper-{self._chance.randint(0, SHOPPERS - 1)}", "s1", (each,))
