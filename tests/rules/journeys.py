"""Events of one shopper for the tests of the tree: short to write, decoded as stored events are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from layers.events.record import Record, decode_record, encode_record
from layers.tree.parameters import PredictedProduct, ShopperParameters

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
SHOPPER = "01" + "ab" * 16

PARAMETERS = ShopperParameters(
    version="2026-11-20",
    computed_at=datetime(2026, 11, 20, 3, tzinfo=UTC),
    products=tuple(
        PredictedProduct(f"usual{n}", round(0.9 - n * 0.05, 2), price=2.0 + n, category="DAIRY") for n in range(12)
    ),
    categories={"DAIRY": 0.9},
    usual_basket=40.0,
    threshold=50.0,
    generosity=2.0,
    trips=25,
)


def record(
    type: str, minutes: float, *, id: str | None = None, session: str = "visit-1", channel: str = "web", **fields: Any
) -> Record:
    """An event `minutes` after START. A page, a product or a query that is needed and not given is made up."""
    at = START + timedelta(minutes=minutes)
    needed: dict[str, dict[str, Any]] = {
        "PageViewed": {"page": "/", "kind": "home"},
        "Searched": {"query": "oat milk"},
        "ProductViewed": {"product": "usual1"},
        "AddedToBasket": {"product": "usual1", "quantity": 1, "price": 3.0},
        "RemovedFromBasket": {"product": "usual1", "quantity": 1, "price": 3.0},
        "BasketValidated": {"total": 10},
        "OrderPaid": {"order": "order-1", "total": 10, "lines": [{"product": "usual1", "paid": 10}]},
        "ConsentChanged": {"purposes": {"personalisation": True}},
        "OrderStatusUpdated": {"order": "order-1", "status": "confirmed"},
        "ExperienceShown": {"decision": "event-1", "kind": "game"},
    }
    event = {"type": type, "id": id or f"event-{minutes:09.3f}".replace(".", "-"), "at": at, **needed[type], **fields}
    return decode_record(encode_record(SHOPPER, session, channel, at, msgspec.json.encode(event)))
