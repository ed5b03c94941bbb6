"""What the story measures, tells and waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from emulators.shop.documents import holds
from emulators.shop.measures import mean, percentile, recall
from emulators.shop.purging import clock_past
from emulators.shop.screen import Bar, Screen, until
from emulators.shop.told import changes, most_varied, tell
from layers.events.model import AddedToBasket, Event

AT = datetime(2026, 11, 20, 18, tzinfo=UTC)


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_enough_values_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_recall_counts_distinct_products_among_the_first_ones() -> None:
    assert recall(["a", "b", "c"], ["a", "a", "d"], 10) == 0.5
    assert recall(["x", "a"], ["a"], 1) == 0.0
    assert recall([], ["a"], 10) == 0.0
    with pytest.raises(ValueError):
        recall(["a"], [], 10)
    assert mean([]) is None and mean([0.5, 1.0]) == 0.75


WHY = '[{"node": "%s", "rule": "when", "condition": "basket.total >= 5.0", "values": {"basket.total": 7.5}}]'


def decision(shopper: str, event: str, before: str, after: str, second: int = 0) -> dict[str, Any]:
    return {
        "shopper": shopper,
        "event_id": event,
        "at": AT.replace(second=second),
        "node_before": before,
        "node_after": after,
        "reason": WHY % after,
        "shown": '[{"kind":"tension","slot":"basket","threshold":40.0,"missing":32.5,"progress":0.18}]',
    }


def test_the_journey_told_visits_the_most_nodes_with_the_fewest_words() -> None:
    rows = [
        decision("a", "a1", "n1", "n2"),
        decision("a", "a2", "n2", "n2"),
        decision("b", "b1", "n1", "n2"),
        decision("b", "b2", "n2", "n3"),
        decision("c", "c1", "n1", "n2"),
        decision("c", "c2", "n2", "n3"),
        decision("c", "c3", "n3", "n3"),
    ]
    assert most_varied(rows) == "b"
    assert most_varied([]) is None


def test_a_step_says_event_condition_values_and_what_was_shown() -> None:
    events: dict[str, Event] = {
        "event-01": AddedToBasket(id="event-01", at=AT, product="1029743", quantity=3, price=2.5)
    }
    rows = [decision("a", "event-02", "n2", "n2", second=2), decision("a", "event-01", "n1", "n2", second=1)]
    first, second = tell(rows, events)
    assert first.event == "AddedToBasket 3 × 1029743 at 2.50"
    assert first.held == ("when n2: basket.total >= 5.0 [basket.total = 7.5]",)
    assert first.shown == ("tension: 32.50 missing to 40.00",)
    assert second.event == "an event of another source"


def test_steps_that_stay_are_left_out_but_for_the_ends() -> None:
    rows = [decision("a", f"event-0{n}", "n", "m" if n == 2 else "n", second=n) for n in range(5)]
    kept, others = changes(tell(rows, {}))
    assert [step.at.second for step in kept] == [0, 2, 4]
    assert others == 2


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"a": ["x", {"b": "..abc.."}]}, True),
        ({"abc": 1}, True),
        ({"a": "900"}, True),
        ({"a": "9001", "n": 900}, False),
        ({"a": b"..abc.."}, True),
        ({"a": AT, "b": None}, False),
    ],
)
def test_a_document_holds_a_pseudonym_anywhere_and_a_customer_id_as_a_whole(content: object, found: bool) -> None:
    assert holds(content, "abc", "900") is found


def test_the_purge_is_fired_after_the_last_event_of_the_live_day_has_expired() -> None:
    assert clock_past(date(2026, 11, 20), 395) == datetime(2027, 12, 22, tzinfo=UTC)


class _Seen:
    def __init__(self) -> None:
        self.at_all: list[int] = []

    def at(self, done: int, total: int | None = None) -> None:
        self.at_all.append(done)


def test_waiting_ends_when_it_is_reached_or_nothing_moves_any_more() -> None:
    now = [0.0]
    bar: Bar = _Seen()

    def pause(seconds: float) -> None:
        now[0] += seconds

    counts = iter([1, 2, 2, 5])
    assert until(bar, lambda: next(counts), 5, patience_s=3, clock=lambda: now[0], pause=pause)
    tries: Iterator[OSError | int] = iter([OSError(), 5])

    def sometimes() -> int:
        found = next(tries)
        if isinstance(found, OSError):
            raise found
        return found

    assert until(bar, sometimes, 5, clock=lambda: now[0], pause=pause, passing=(OSError,))
    assert not until(bar, lambda: 4, 5, patience_s=3, clock=lambda: now[0], pause=pause)
    assert now[0] <= 10


def test_without_a_terminal_a_bar_is_a_line_now_and_then() -> None:
    now = [0.0]
    out = StringIO()
    screen = Screen(Console(file=out, force_terminal=False, width=100), clock=lambda: now[0])
    with screen.bar("sending", 100) as bar:
        bar.at(1)
        now[0] = 10.0
        bar.at(50)
        bar.at(60)
        now[0] = 20.0
        bar.at(100)
        bar.at(100)
    lines = out.getvalue().splitlines()
    assert lines[0] == "   sending: 50 of 100 (5/s, 10 s)"
    assert lines[-1] == "   sending: 100 of 100 (5/s, 20 s)"
    assert len(lines) == 2, "what was said already is not said again"
