"""What a delivered line may say, and that no line is lost, doubled or blamed for another."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.feeds.rules import MAX_LINE_BYTES, Batch, batches, ledger_id, products, refused
from layers.events.envelope import MAX_BODY_BYTES, read_envelopes, read_event
from layers.events.model import OrderPaid
from layers.retailers import Contract

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def order(number: int, count: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "order": f"{number}",
        "customer": "900",
        "paid_at": "2026-11-20T18:03:26Z",
        "lines": [{"product": f"p{n}", "paid": 1.1, "quantity": 2} for n in range(count)],
        **changes,
    }


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def numbers(found: list[Batch]) -> list[int]:
    return [number for batch in found for number in batch.lines]


@given(st.lists(st.sampled_from(["good", "large", "bad", "blank"]), max_size=60), st.integers(0, 70))
def test_each_line_is_sent_quarantined_or_blank_exactly_once_wherever_a_run_starts(
    kinds: list[str], after: int
) -> None:
    file: dict[str, Callable[[int], bytes]] = {
        "good": lambda n: line(order(n)),
        "large": lambda n: line(order(n, count=300)),
        "bad": lambda _: b'{"order": \n',
        "blank": lambda _: b"\n",
    }
    found = list(batches((file[kind](number) for number, kind in enumerate(kinds, start=1)), after))
    expected = [n for n, kind in enumerate(kinds, start=1) if kind in ("good", "large") and n > after]
    assert numbers(found) == expected
    assert [bad.line for batch in found for bad in batch.bad] == [
        n for n, kind in enumerate(kinds, start=1) if kind == "bad" and n > after
    ]
    assert all(len(batch.body) <= MAX_BODY_BYTES for batch in found)
    assert found[-1].last_line == len(kinds)


@given(st.lists(st.just("good"), min_size=2, max_size=400), st.data())
def test_going_on_from_any_acknowledged_request_sends_the_rest(kinds: list[str], data: st.DataObject) -> None:
    file = [line(order(number, count=20)) for number, _ in enumerate(kinds, start=1)]
    all_of_it = list(batches(file))
    done = data.draw(st.integers(0, len(all_of_it)))
    rest = list(batches(file, all_of_it[done - 1].last_line if done else 0))
    assert numbers(all_of_it[:done]) + numbers(rest) == list(range(1, len(kinds) + 1))


def test_what_is_sent_is_what_the_front_door_takes() -> None:
    (batch,) = batches([line(order(7, count=3, store="330")), line(order(8))])
    envelopes = read_envelopes(batch.body, server=True)
    event, _ = read_event(envelopes[0].events[0], NOW, Contract())
    assert isinstance(event, OrderPaid)
    assert (event.id, event.order, event.total, event.store, len(event.lines)) == ("order-paid-7", "7", 3.3, "330", 3)
    assert {envelope.channel for envelope in envelopes} == {"history"}


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"email": "jane@example.org"}, "does not declare"),
        ({"customer": "jane@example.org"}, "regex"),
        ({"paid_at": "2026-11-20T18:03:26"}, "timezone"),
        ({"lines": []}, "length >= 1"),
        ({"lines": [{"product": "p", "paid": -1}]}, ">= 0"),
        ({"lines": [{"product": "p", "paid": 1, "quantity": 0}]}, "> 0"),
        ({"order": ""}, "regex"),
    ],
)
def test_a_bad_line_is_named_and_not_quoted(wrong: dict[str, Any], reason: str) -> None:
    (batch,) = batches([line(order(1)), line(order(2, **wrong))])
    (bad,) = batch.bad
    assert (bad.line, batch.lines) == (2, [1])
    assert reason in bad.reason
    assert "jane" not in bad.reason


def test_an_endless_line_is_refused() -> None:
    (batch,) = batches([b"x" * (MAX_LINE_BYTES + 1)])
    assert [bad.line for bad in batch.bad] == [1]


def test_the_catalogue_keeps_the_last_word_on_each_product() -> None:
    rows, bad = products(
        [line({"product": "1", "brand": "A"}), b"{", line({"product": "2"}), line({"product": "1", "brand": "B"})]
    )
    assert [(row["product"], row["brand"]) for row in rows] == [("1", "B"), ("2", None)]
    assert [b.line for b in bad] == [2]


def test_a_rejection_is_told_by_the_line_of_the_file() -> None:
    batch = Batch(lines=[4, 9])
    (bad,) = refused(batch, [{"envelope": 1, "index": 0, "path": "$.at", "reason": "too old"}])
    assert (bad.line, bad.reason) == (9, "too old (at $.at)")


def test_another_version_of_a_file_is_another_page() -> None:
    assert ledger_id("demo", "orders/a", "1") != ledger_id("demo", "orders/a", "2")
    assert "/" not in ledger_id("demo", "orders/a", "1"), "Firestore takes a slash for a path"
