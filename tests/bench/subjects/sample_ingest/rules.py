"""What the sample checks, by hand: a table of fields and plain tests, as one writes it with `json` and `re`.

It refuses and keeps what ours does for what the bench sends (`tests/rules/test_bench.py` compares both), with no
library beyond Python's own.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

Check = Callable[[Any], bool]

_CUSTOMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EVENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_TCF = re.compile(r"[A-Za-z0-9_.-]{1,2048}")
_EMAIL = re.compile(r"[^\s@<>/]+(?:@|%40)[^\s@<>/]+\.[^\s@<>/]+")
_NUMBER = re.compile(r"(?<![\w.])\+?\d(?:[ .\-/()]{0,2}\d){8,18}(?!\w)")
_CHANNELS = {"web", "app", "store"}
_LAST_MS = 9_999_999_999_999
_CLOCK_SKEW = timedelta(minutes=5)


class Refused(ValueError):
    """What is wrong with a body or an event."""


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _number(low: float, high: float, above: bool = False) -> Check:
    def holds(value: Any) -> bool:
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (low < value if above else low <= value)
            and value <= high
        )

    return holds


def _text(most: int, least: int = 1) -> Check:
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def _one_of(*values: str) -> Check:
    return lambda value: isinstance(value, str) and value in values


_id, _amount, _quantity = _matches(_ID), _number(0, 1_000_000), _number(0, 10_000_000, above=True)
_page = _text(512)
_LINE: dict[str, tuple[bool, Check]] = {
    "product": (True, _id),
    "paid": (True, _amount),
    "quantity": (False, _quantity),
    "discount": (False, _amount),
}
_EXPERIENCE: dict[str, tuple[bool, Check]] = {
    "decision": (True, _id),
    "kind": (True, _one_of("promotion", "game", "recommendation", "tension", "default")),
    "node": (False, _id),
    "product": (False, _id),
}
_PURPOSES = {"measurement", "personalisation", "advertising", "rewards"}


def _lines(value: Any) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 500 and all(_fits(line, _LINE) for line in value)


def _purposes(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= _PURPOSES and all(type(v) is bool for v in value.values())


_FIELDS: dict[str, tuple[str, dict[str, tuple[bool, Check]]]] = {
    "PageViewed": (
        "browsing",
        {
            "page": (True, _page),
            "kind": (
                False,
                _one_of("home", "category", "search", "product", "basket", "checkout", "account", "other"),
            ),
            "category": (False, _text(64, 0)),
            "seconds": (False, _number(0, 86_400)),
        },
    ),
    "LinkClicked": ("browsing", {"page": (True, _page), "target": (True, _page)}),
    "Searched": ("browsing", {"query": (True, _text(200)), "results": (False, _number(0, 1_000_000))}),
    "ProductViewed": ("browsing", {"product": (True, _id), "price": (False, _amount)}),
    "AddedToBasket": ("browsing", {"product": (True, _id), "quantity": (True, _quantity), "price": (True, _amount)}),
    "RemovedFromBasket": (
        "browsing",
        {"product": (True, _id), "quantity": (True, _quantity), "price": (True, _amount)},
    ),
    "BasketValidated": ("browsing", {"total": (True, _amount), "lines": (False, _number(0, 1_000_000))}),
    "OrderPaid": (
        "transactions",
        {"order": (True, _id), "total": (True, _amount), "lines": (True, _lines), "store": (False, _id)},
    ),
    "OrderStatusUpdated": (
        "transactions",
        {
            "order": (True, _id),
            "status": (True, _one_of("confirmed", "prepared", "shipped", "delivered", "cancelled", "refunded")),
        },
    ),
    "ExperienceShown": ("browsing", _EXPERIENCE),
    "ExperienceClicked": ("browsing", _EXPERIENCE),
    "ConsentChanged": ("consent", {"purposes": (True, _purposes), "tcf": (False, _matches(_TCF))}),
}
_OF_EVERY: dict[str, tuple[bool, Check]] = {
    "type": (True, lambda _: True),
    "id": (True, _matches(_EVENT_ID)),
    "at": (True, lambda value: isinstance(value, str)),
}
_SCHEMAS = {kind: (retention, {**_OF_EVERY, **fields}) for kind, (retention, fields) in _FIELDS.items()}


def _fits(value: Any, fields: dict[str, tuple[bool, Check]]) -> bool:
    if not isinstance(value, dict):
        return False
    for name, held in value.items():
        field = fields.get(name)
        if field is None or not field[1](held):
            return False
    return all(name in value for name, (needed, _) in fields.items() if needed)


def read_envelope(body: Any) -> dict[str, Any]:
    """Raises:
    Refused: no envelope.
    """
    if (
        not isinstance(body, dict)
        or body.keys() != {"shopper", "session", "channel", "events"}
        or not _matches(_CUSTOMER)(body["shopper"])
        or not _matches(_SESSION)(body["session"])
        or body["channel"] not in _CHANNELS
        or not isinstance(body["events"], list)
        or not 1 <= len(body["events"]) <= 1000
    ):
        raise Refused("the body is no envelope")
    return body


def read_event(event: Any, now: datetime, days: dict[str, int]) -> tuple[dict[str, Any], str, datetime]:
    """The event as it may be kept, its retention class, its time.

    Raises:
        Refused: it breaks a rule.
    """
    schema = _SCHEMAS.get(str(event.get("type"))) if isinstance(event, dict) else None
    if schema is None or not _fits(event, schema[1]):
        raise Refused("the event does not fit its schema")
    try:
        at = datetime.fromisoformat(event["at"])
    except ValueError:
        raise Refused("no time") from None
    retention = schema[0]
    if at.tzinfo is None or at > now + _CLOCK_SKEW or at < now - timedelta(days=days[retention]):
        raise Refused("not a time that may be kept")
    for name in ("page", "target"):
        if name in event:
            event[name] = _scrub(re.split(r"[?#;]", event[name], maxsplit=1)[0]) or "/"
    for name in ("query", "category"):
        if name in event:
            event[name] = _scrub(event[name])
    return event, retention, at


def _scrub(text: str) -> str:
    return _NUMBER.sub("[number]", _EMAIL.sub("[email]", text))


def pseudonym(key: bytes, customer: str) -> str:
    return "01" + hmac.new(key, customer.encode(), sha256).hexdigest()[:32]


def row_key(retailer: str, shopper: str, at: datetime, event_id: str) -> str:
    return f"{retailer}#{shopper}#{_LAST_MS - int(at.timestamp() * 1000):013d}#{event_id}"


class Row(NamedTuple):
    """What is stored and published of one event."""

    key: str
    family: str
    at: datetime
    data: bytes


def rows(body: Any, retailer: dict[str, Any], key: bytes, now: datetime) -> tuple[list[Row], list[dict[str, Any]]]:
    """What is kept of a body, and what is refused.

    Args:
        retailer: its registry entry. key: of its pseudonyms.

    Raises:
        Refused: it is no envelope.
    """
    envelope = read_envelope(body)
    shopper = pseudonym(key, envelope["shopper"])
    kept, rejected = [], []
    for index, raw in enumerate(envelope["events"]):
        try:
            event, retention, at = read_event(raw, now, retailer["contract"])
        except Refused as error:
            rejected.append({"index": index, "reason": str(error)})
            continue
        record = {
            "shopper": shopper,
            "session": envelope["session"],
            "channel": envelope["channel"],
            "received": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "event": event,
        }
        family = f"{retention}_{retailer['contract'][retention]}d"
        data = json.dumps(record, separators=(",", ":")).encode()
        kept.append(Row(row_key(retailer["id"], shopper, at, event["id"]), family, at, data))
    return kept, rejected
