"""One shopper's journey in words, from the decisions as they are logged. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from layers.events.model import (
    AddedToBasket,
    BasketValidated,
    Event,
    ExperienceShown,
    OrderPaid,
    PageViewed,
    ProductViewed,
    RemovedFromBasket,
    Searched,
    type_name,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One decision in words. `at` is the moved moment."""

    at: datetime
    event: str
    before: str
    held: tuple[str, ...]
    after: str
    shown: tuple[str, ...]


def most_varied(decisions: Iterable[Mapping[str, Any]]) -> str | None:
    """The shopper (pseudonym) whose decisions visit the most nodes; of several, the one with the shortest tale."""
    nodes: dict[str, set[str]] = defaultdict(set)
    lengths: dict[str, int] = defaultdict(int)
    for decision in decisions:
        nodes[decision["shopper"]].add(decision["node_after"])
        lengths[decision["shopper"]] += 1
    return min(nodes, key=lambda shopper: (-len(nodes[shopper]), lengths[shopper], shopper), default=None)


def tell(decisions: Iterable[Mapping[str, Any]], events: Mapping[str, Event]) -> list[Step]:
    """The steps by time.

    Args:
        decisions: rows of the view `decisions` of one shopper. events: what was sent, by id.
    """
    ordered = sorted(decisions, key=lambda row: (row["at"], row["event_id"]))
    return [
        Step(
            row["at"],
            _event(events.get(row["event_id"])),
            row["node_before"],
            tuple(_held(reason) for reason in msgspec.json.decode(row["reason"])),
            row["node_after"],
            tuple(_shown(one) for one in msgspec.json.decode(row["shown"])),
        )
        for row in ordered
    ]


def changes(steps: Iterable[Step]) -> tuple[list[Step], int]:
    """The steps that moved the shopper, with the first, the last; and how many others there were."""
    told = list(steps)
    kept = [step for nth, step in enumerate(told) if step.before != step.after or nth in (0, len(told) - 1)]
    return kept, len(told) - len(kept)


def _event(event: Event | None) -> str:
    if event is None:
        return "an event of another source"
    name = type_name(event)
    match event:
        case PageViewed():
            return f"{name} {event.page}"
        case Searched():
            return f"{name} «{event.query}»"
        case ProductViewed():
            return f"{name} {event.product}"
        case AddedToBasket() | RemovedFromBasket():
            return f"{name} {event.quantity:g} × {event.product} at {event.price:.2f}"
        case BasketValidated() | OrderPaid():
            return f"{name} {event.total:.2f}"
        case ExperienceShown():
            return f"{name} {event.kind}"
        case _:
            return name


def _held(reason: Mapping[str, Any]) -> str:
    """A reason: rule, condition, and the values it read."""
    rule, node = reason["rule"], reason["node"]
    if not reason.get("condition"):
        return f"{rule} {node}"
    values = ", ".join(f"{name} = {_short(value)}" for name, value in reason.get("values", {}).items())
    return f"{rule} {node}: {' '.join(reason['condition'].split())}" + (f" [{values}]" if values else "")


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}…"


def _shown(one: Mapping[str, Any]) -> str:
    kind = one["kind"]
    match kind:
        case "promotion":
            return f"promotion of {one['product']}: {one['generosity']:.2f} off from {one['threshold']:.2f}"
        case "game":
            return f"game {one['name']} for {one['prize']:g}"
        case "recommendation":
            products = one["products"]
            return f"recommendation of {len(products)}: {', '.join(products[:3])}{'…' if len(products) > 3 else ''}"
        case "tension":
            return f"tension: {one['missing']:.2f} missing to {one['threshold']:.2f}"
        case _:
            return str(kind)
