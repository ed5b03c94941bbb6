"""How Google's samples write rows: `Client.insert_rows_json`, as each event comes.

Source: "Streaming insert into a table" of the BigQuery samples. Fair: one client for all, an event's rows of one table
in one call, and the same rows as ours (`tests/rules/test_bench.py` compares both).
"""

from __future__ import annotations

import json
from typing import Any

_TABLES = {
    "PageViewed": "page_views",
    "LinkClicked": "page_views",
    "Searched": "searches",
    "ProductViewed": "product_views",
    "AddedToBasket": "basket_changes",
    "RemovedFromBasket": "basket_changes",
    "BasketValidated": "basket_validations",
    "OrderPaid": "orders",
    "OrderStatusUpdated": "order_statuses",
    "ExperienceShown": "experience_events",
    "ExperienceClicked": "experience_events",
    "ConsentChanged": "consents",
}
_PURPOSES = ("measurement", "personalisation", "advertising", "rewards")


class RowsRefused(RuntimeError):
    """BigQuery named rows that it did not take."""


def rows_of(record: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of one event, by table."""
    event = dict(record["event"])
    kind, id, at = event.pop("type"), event.pop("id"), event.pop("at")
    common = {
        "event_id": id,
        "position": 0,
        "shopper": record["shopper"],
        "session": record["session"],
        "channel": record["channel"],
        "at": at,
        "received": record["received"],
    }
    if kind == "OrderPaid":
        lines, order = event.pop("lines"), event.pop("order")
        return {
            "orders": [{**common, "order_id": order, "line_count": len(lines), **event}],
            "order_lines": [
                {**common, "position": position, "order_id": order, **line} for position, line in enumerate(lines)
            ],
        }
    if kind in ("PageViewed", "LinkClicked", "ExperienceShown", "ExperienceClicked"):
        common["type"] = kind
    if kind == "PageViewed":
        event.setdefault("kind", "other")
    if kind == "RemovedFromBasket":
        event["quantity"] = -event["quantity"]
    if kind == "OrderStatusUpdated":
        event["order_id"] = event.pop("order")
    if kind == "ConsentChanged":
        agreed = event.pop("purposes")
        event |= {purpose: agreed.get(purpose, False) for purpose in _PURPOSES}
    return {_TABLES[kind]: [{**common, **event}]}


def cool(client: Any, dataset: str, data: bytes) -> None:
    """Writes the rows of a message that holds one event, as the sample's ingest publishes it.

    Raises:
        RowsRefused: not all of it is there.
    """
    for table, rows in rows_of(json.loads(data)).items():
        errors = client.insert_rows_json(f"{dataset}.cooled_{table}", rows)
        if errors:
            raise RowsRefused(f"{table}: {len(errors)} rows")
