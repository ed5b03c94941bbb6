"""What cooling decides: which rows an event makes. Pure.

Each event is exactly one row, at position 0, of exactly one table; an order adds a row of `order_lines` for each line
that was paid, and of `kept_lines` for each that a status says is kept. A row is a tuple in the order of its table's
columns, turned on its side at the end: rows as dictionaries cost four times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET

from layers.events.model import (
    AddedToBasket,
    BasketValidated,
    ConsentChanged,
    ConsentMode,
    Event,
    ExperienceClicked,
    ExperienceShown,
    LinkClicked,
    OrderPaid,
    OrderStatusUpdated,
    PageViewed,
    ProductViewed,
    RemovedFromBasket,
    Searched,
    type_name,
)
from layers.events.record import Record
from layers.events.refusal import UNREADABLE, describe, fields_of
from layers.facts import DECISIONS, FACTS, ColumnType, Table
from layers.privacy.suppression import ErasedAt, nobody
from layers.stores.bigquery.port import Columns, Value

TABLES = {table.name: table for table in (*FACTS, DECISIONS)}
_COLUMNS = {table.name: tuple(column.name for column in table.columns) for table in TABLES.values()}


@dataclass(frozen=True, slots=True)
class Cooled:
    """Rows of one table.

    Attributes:
        columns: by name, all of one length.
        sources: for each row, the place in the input of the record or line that made it, from 0.
    """

    table: Table
    columns: Columns
    sources: Sequence[int]

    def rows(self, chosen: Iterable[int]) -> Cooled:
        """Some of the rows, by their place from 0."""
        places = list(chosen)
        return Cooled(
            self.table,
            {name: [values[place] for place in places] for name, values in self.columns.items()},
            [self.sources[place] for place in places],
        )


def _known(value: Any) -> Any:
    return None if value is UNSET else value


def _page_view(event: PageViewed) -> tuple[Value, ...]:
    known = _known(event.category), None, _known(event.seconds), _known(event.store)
    return "PageViewed", event.page, event.kind, *known


def _link(event: LinkClicked) -> tuple[Value, ...]:
    return "LinkClicked", event.page, None, None, event.target, None, None


def _experience(event: ExperienceShown | ExperienceClicked) -> tuple[Value, ...]:
    return type_name(event), event.decision, event.kind, _known(event.node), _known(event.product)


def _status(event: OrderStatusUpdated) -> tuple[Value, ...]:
    kept = event.kept
    return event.order, event.status, *((None, None) if kept is UNSET else (kept.total, len(kept.lines)))


def _consent(event: ConsentChanged) -> tuple[Value, ...]:
    purposes, mode = event.purposes, ConsentMode() if event.consent_mode is UNSET else event.consent_mode
    return (
        purposes.measurement,
        purposes.personalisation,
        purposes.advertising,
        purposes.rewards,
        _known(event.tcf),
        _known(mode.ad_storage),
        _known(mode.analytics_storage),
        _known(mode.ad_user_data),
        _known(mode.ad_personalization),
    )


def _order(event: OrderPaid) -> tuple[Value, ...]:
    return event.order, event.total, len(event.lines), _known(event.store), _known(event.payment)


_ROW: dict[type[Event], tuple[str, Callable[[Any], tuple[Value, ...]]]] = {
    PageViewed: ("page_views", _page_view),
    LinkClicked: ("page_views", _link),
    Searched: ("searches", lambda event: (event.query, _known(event.results))),
    ProductViewed: ("product_views", lambda event: (event.product, _known(event.price))),
    AddedToBasket: ("basket_changes", lambda event: (event.product, event.quantity, event.price)),
    RemovedFromBasket: ("basket_changes", lambda event: (event.product, -event.quantity, event.price)),
    BasketValidated: ("basket_validations", lambda event: (event.total, _known(event.lines))),
    OrderPaid: ("orders", _order),
    OrderStatusUpdated: ("order_statuses", _status),
    ExperienceShown: ("experience_events", _experience),
    ExperienceClicked: ("experience_events", _experience),
    ConsentChanged: ("consents", _consent),
}
"""Of each event type: its table, and what follows the common columns there."""

LEFT_OUT: Mapping[type[Event], Mapping[str, str]] = {
    OrderPaid: {"household": "it joins people, and no analysis asks for that; the game alone compares it"},
}
"""Fields that no table has, and why; a test fails of any other."""


def cool(records: Iterable[Record], erased_at: ErasedAt = nobody) -> list[Cooled]:
    """The rows of `records`, by table; a table without rows is not there. What is erased makes no row."""
    rows: dict[str, list[tuple[Value, ...]]] = {}
    sources: dict[str, list[int]] = {}
    for source, record in enumerate(records):
        event = record.event
        erased = erased_at(record.shopper)
        if erased is not None and event.at <= erased:
            continue
        name, rest = _ROW[type(event)]
        shopper, session, channel, received = record.shopper, record.session, record.channel, record.received
        rows.setdefault(name, []).append(
            (event.id, 0, shopper, session, channel, event.at, received, *rest(event)),
        )
        sources.setdefault(name, []).append(source)
        if isinstance(event, OrderPaid):
            id, at, order = event.id, event.at, event.order
            rows.setdefault("order_lines", []).extend(
                [
                    (
                        id,
                        position,
                        shopper,
                        session,
                        channel,
                        at,
                        received,
                        order,
                        line.product,
                        None if line.quantity is UNSET else line.quantity,
                        line.paid,
                        None if line.discount is UNSET else line.discount,
                    )
                    for position, line in enumerate(event.lines)
                ]
            )
            sources.setdefault("order_lines", []).extend([source] * len(event.lines))
        elif isinstance(event, OrderStatusUpdated) and event.kept is not UNSET and event.kept.lines:
            common = (shopper, session, channel, event.at, received, event.order)
            rows.setdefault("kept_lines", []).extend(
                (event.id, position, *common, line.product, _known(line.quantity), line.paid, _known(line.discount),
                 _known(line.substituted_for))
                for position, line in enumerate(event.kept.lines)
            )  # fmt: skip
            sources.setdefault("kept_lines", []).extend([source] * len(event.kept.lines))
    return [_cooled(name, rows[name], sources[name]) for name in rows]


def _cooled(name: str, rows: list[tuple[Value, ...]], sources: list[int]) -> Cooled:
    columns = dict(zip(_COLUMNS[name], zip(*rows, strict=True), strict=True))
    return Cooled(TABLES[name], columns, sources)


_PYTHON: dict[ColumnType, Any] = {
    ColumnType.STRING: str,
    ColumnType.INT64: int,
    ColumnType.FLOAT64: float,
    ColumnType.BOOL: bool,
    ColumnType.TIMESTAMP: Annotated[datetime, msgspec.Meta(tz=True)],
}

_DecisionLine = msgspec.defstruct(
    "DecisionLine",
    [
        (column.name, _PYTHON[column.type]) if column.required else (column.name, _PYTHON[column.type] | None, None)
        for column in sorted(DECISIONS.columns, key=lambda column: not column.required)
    ],
    frozen=True,
    forbid_unknown_fields=True,
)
"""A line of a `decisions` message is its row as JSON: what decisioning must write is said once, in `layers.facts`."""

_decisions = msgspec.json.Decoder(_DecisionLine)
_FIELDS = fields_of(_DecisionLine)


def cool_decisions(lines: Iterable[bytes], erased_at: ErasedAt = nobody) -> tuple[list[Cooled], list[tuple[int, str]]]:
    """The rows of a `decisions` message. A decision is of its event's time, and is erased with it.

    Returns:
        The rows, and (place in the input from 0, where in the line) of each line that is no decision.
    """
    rows: list[tuple[Value, ...]] = []
    sources: list[int] = []
    corrupt: list[tuple[int, str]] = []
    for source, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            decision: Any = _decisions.decode(line)
        except UNREADABLE as error:
            path, rule = describe(error, _FIELDS)
            corrupt.append((source, f"{path}: {rule}"))
            continue
        erased = erased_at(decision.shopper)
        if erased is not None and decision.at <= erased:
            continue
        rows.append(tuple(getattr(decision, name) for name in _COLUMNS[DECISIONS.name]))
        sources.append(source)
    return ([_cooled(DECISIONS.name, rows, sources)] if rows else []), corrupt
