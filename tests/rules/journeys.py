"""Events of one shopper for the tests of the tree: short to write, decoded as stored events are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from layers.events.record import Record, decode_record, encode_record
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import PredictedProduct, ShopperParameters

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
SHOPPER = "01" + "ab" * 16

OFFERS = (
    ShopperOffer(
        campaign="favourites", offer="percent_20", kind="promotion", product="usual3", generosity=1.0, threshold=50.0,
        probability=0.5, uplift=0.1, expected_margin=0.3, expected_cost=0.2, propensity=0.9,
    ),
    ShopperOffer(
        campaign="favourites", offer="percent_10", kind="promotion", product="usual3", generosity=0.5, threshold=50.0,
        probability=0.5, uplift=0.04, expected_margin=0.2, expected_cost=0.1, propensity=0.05, drawn=False,
    ),
)  # fmt: skip

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
    offers=OFFERS,
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
