"""Each event is its rows: examples as data, and what must hold for any mixture of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UnsetType

from functions.cooling.rules import LEFT_OUT, TABLES, Cooled, cool, cool_decisions
from layers.events.model import EVENT_TYPES, Event, OrderPaid, OrderStatusUpdated, type_name
from layers.events.record import Record
from layers.facts import DECISIONS, FACTS
from layers.stores.bigquery.arrow import record_batch
from layers.tree.decision import Decision, encode_decisions

_FOLDER = Path(__file__).parents[1] / "examples"
EVENTS: list[Event] = msgspec.json.decode(
    json.dumps(json.loads((_FOLDER / "events.json").read_text())["valid"]), type=list[Event]
)
COOLED: dict[str, dict[str, list[dict[str, Any]]]] = json.loads((_FOLDER / "cooled.json").read_text())
ARRIVED = datetime(2026, 11, 22, 10, 16, tzinfo=UTC)
COMMON = ("event_id", "position", "shopper", "session", "channel", "at", "received")
DECISION = Decision(
    event_id="0198f0aa-0005",
    shopper="01" + "a" * 32,
    session="s1",
    channel="web",
    at=ARRIVED,
    received=ARRIVED,
    revision=2,
    tree="main",
    tree_version="v1",
    parameters_version="",
    node_before="start",
    node_after="near",
    reason="[]",
    shown="[]",
)


def record(event: Event) -> Record:
    return Record(shopper="01" + "a" * 32, session="s1", channel="app", received=ARRIVED, event=event)


def as_rows(cooled: Iterable[Cooled]) -> dict[str, list[dict[str, Any]]]:
    return {
        one.table.name: [
            dict(zip(one.columns, values, strict=True)) for values in zip(*one.columns.values(), strict=True)
        ]
        for one in cooled
    }


@pytest.mark.parametrize("event", EVENTS, ids=type_name)
def test_an_event_is_the_rows_of_its_example(event: Event) -> None:
    found = as_rows(cool([record(event)]))
    for rows in found.values():
        for position, row in enumerate(rows):
            common = {name: row.pop(name) for name in COMMON}
            assert common == {
                "event_id": event.id,
                "position": position,
                "shopper": "01" + "a" * 32,
                "session": "s1",
                "channel": "app",
                "at": event.at,
                "received": ARRIVED,
            }
    assert found == COOLED[event.id]


def test_every_event_type_has_an_example_and_the_declared_table() -> None:
    assert {type(event) for event in EVENTS} == set(EVENT_TYPES)
    for event in EVENTS:
        always = {table.name for table in FACTS if type_name(event) in table.events and table.name != "kept_lines"}
        assert set(COOLED[event.id]) - {"kept_lines"} == always


@pytest.mark.parametrize("event", EVENTS, ids=type_name)
def test_no_value_of_an_event_is_lost(event: Event) -> None:
    def leaves(value: Any) -> Iterable[Any]:
        if isinstance(value, dict | list | tuple):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from leaves(inner)
        else:
            yield abs(value) if isinstance(value, float) else value

    sent = msgspec.to_builtins(event, builtin_types=(datetime,))
    sent.pop("type")
    left_out = {sent.pop(name) for name in LEFT_OUT.get(type(event), ()) if name in sent}
    kept = set(leaves(list(as_rows(cool([record(event)])).values())))
    assert set(leaves(sent)) - kept == set() and not left_out & kept


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=40))
def test_exactly_one_first_row_for_each_event_wherever_it_stands(events: list[Event]) -> None:
    cooled = cool([record(event) for event in events])
    first = Counter(
        source
        for one in cooled
        if not one.table.beside
        for source, position in zip(one.sources, one.columns["position"], strict=True)
        if position == 0
    )
    assert first == dict.fromkeys(range(len(events)), 1)
    rows = Counter({one.table.name: len(one.sources) for one in cooled})
    assert rows["order_lines"] == sum(len(event.lines) for event in events if isinstance(event, OrderPaid))
    assert rows["kept_lines"] == sum(
        len(event.kept.lines)
        for event in events
        if isinstance(event, OrderStatusUpdated) and not isinstance(event.kept, UnsetType)
    )
    for one in cooled:
        # Arrow takes them: right columns, right types, nothing required missing.
        assert record_batch(one.table, one.columns).num_rows == len(one.sources)
        assert [one.columns["event_id"][row] for row in range(len(one.sources))] == [events[s].id for s in one.sources]


def test_a_choice_of_rows_keeps_columns_and_sources_together() -> None:
    (lines,) = (one for one in cool([record(event) for event in EVENTS]) if one.table.name == "order_lines")
    chosen = lines.rows([2, 0])
    assert chosen.columns["product"] == ["999", "1095275"]
    assert set(chosen.columns) == {column.name for column in lines.table.columns}
    assert list(chosen.sources) == [lines.sources[2], lines.sources[0]]


def test_decisions_as_decisioning_publishes_them() -> None:
    other = msgspec.structs.replace(DECISION, event_id="0198f0aa-0006", parameters_version="p7", revision=3)
    cooled, corrupt = cool_decisions(encode_decisions([DECISION, other]).split(b"\n"))
    assert corrupt == []
    (one,) = cooled
    assert one.table is TABLES[DECISIONS.name]
    assert as_rows(cooled)["decisions"] == [msgspec.structs.asdict(DECISION), msgspec.structs.asdict(other)]
    assert record_batch(one.table, one.columns).num_rows == 2


@pytest.mark.parametrize(
    "wrong",
    [
        b"{",
        b"\xff",
        b"{}",
        msgspec.json.encode(msgspec.structs.asdict(DECISION) | {"email": "jane@example.org"}),
        msgspec.json.encode(msgspec.structs.asdict(DECISION) | {"jane@example.org": 1}),
        msgspec.json.encode(msgspec.structs.asdict(DECISION) | {"at": "2026-11-22T10:15:00"}),
        msgspec.json.encode(msgspec.structs.asdict(DECISION) | {"revision": "jane@example.org"}),
    ],
)
def test_a_line_that_is_no_decision_is_named_without_its_content(wrong: bytes) -> None:
    good = encode_decisions([DECISION])
    cooled, corrupt = cool_decisions([good, wrong, good])
    assert [len(one.sources) for one in cooled] == [2]
    assert [source for source, _ in corrupt] == [1]
    assert "jane" not in corrupt[0][1]
