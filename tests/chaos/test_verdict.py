"""The judge must see what it is there for: each way to lose or to double an event, made by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tests.chaos.ledger import Batch, Ledger
from tests.chaos.verdict import Evidence, judge
from tests.chaos.witnesses import StoredEvent, milliseconds

AT = "2026-11-22T10:15:00.123+00:00"
LINES = [{"product": "p1", "paid": 1.5}, {"product": "p2", "paid": 2.5}]
BATCH = Batch(
    "customer-1",
    "s1",
    (
        {"type": "Searched", "id": "event-0001", "at": AT, "query": "oat milk"},
        {"type": "OrderPaid", "id": "event-0002", "at": AT, "order": "o1", "total": 4.0, "lines": LINES},
    ),
)


def pseudonym(customer: str) -> str:
    return f"of-{customer}"


def row(place: int) -> StoredEvent:
    at_ms = milliseconds(AT)
    line = {"shopper": pseudonym("customer-1"), "session": "s1", "channel": "web", "event": BATCH.events[place]}
    return StoredEvent("demo", pseudonym("customer-1"), 9_999_999_999_999 - at_ms, "browsing_395d", at_ms, line)


def whole() -> tuple[Ledger, Evidence]:
    ledger = Ledger()
    ledger.sends(BATCH)
    ledger.hears(BATCH, 204, {}, b"")
    stored = {"event-0001": [row(0)], "event-0002": [row(1)]}
    facts = {("searches", "event-0001"): 1, ("orders", "event-0002"): 1, ("order_lines", "event-0002"): 2}
    return ledger, Evidence(stored, {"event-0001": 1, "event-0002": 2}, facts, set(stored), delivered=6)


def test_all_well() -> None:
    report = judge("well", *whole(), pseudonym)
    assert report.faults == []
    assert (report.sent, report.acknowledged, report.stored, report.published, report.cooled) == (2, 2, 2, 2, 2)
    assert (report.lost, report.doubled, report.republished, report.redelivered) == (0, 0, 1, 2)


def changed(**members: object) -> Callable[[Evidence], Evidence]:
    return lambda evidence: dataclasses.replace(evidence, **members)  # type: ignore[arg-type]


STORED, PUBLISHED, FACTS = whole()[1].stored, whole()[1].published, whole()[1].facts
FIRST = {"event-0001": [row(0)]}
OTHERS = dataclasses.replace(row(0), shopper="of-customer-2")
LATER = dataclasses.replace(row(0), at_ms=row(0).at_ms + 1)
ALTERED = dataclasses.replace(row(0), line={**row(0).line, "event": {**BATCH.events[0], "query": "milk"}})


@pytest.mark.parametrize(
    ("wrong", "fault", "lost", "doubled"),
    [
        (changed(stored=FIRST), "1 acknowledged and not stored", 1, 0),
        (changed(stored=FIRST), "1 published and not stored", 1, 0),
        (changed(stored=FIRST), "1 cooled and not stored", 1, 0),
        (changed(published={"event-0001": 1}), "1 acknowledged and never published", 1, 0),
        (changed(facts={("searches", "event-0001"): 1}), "1 stored and not cooled", 1, 0),
        (changed(facts={**FACTS, ("order_lines", "event-0002"): 1}), "1 a fact missing", 0, 0),
        (changed(facts={**FACTS, ("order_lines", "event-0002"): 3}), "1 a fact twice", 0, 1),
        (changed(facts={**FACTS, ("searches", "event-0001"): 2}), "1 a fact twice", 0, 1),
        (changed(facts={**FACTS, ("page_views", "event-0001"): 1}), "1 a fact of another kind", 0, 0),
        (changed(stored={**STORED, "event-0003": [row(0)]}), "1 stored though nobody sent it", 0, 0),
        (changed(stored={**STORED, "event-0001": [row(0), row(0)]}), "1 stored in two rows", 0, 0),
        (changed(stored={**STORED, "event-0001": [OTHERS]}), "1 stored otherwise than it was sent", 0, 0),
        (changed(stored={**STORED, "event-0001": [LATER]}), "1 stored otherwise than it was sent", 0, 0),
        (changed(stored={**STORED, "event-0001": [ALTERED]}), "1 stored otherwise than it was sent", 0, 0),
        (changed(journalled={"event-0001"}), "1 stored and not in the journal", 0, 0),
    ],
)
def test_each_way_to_go_wrong_is_named(
    wrong: Callable[[Evidence], Evidence], fault: str, lost: int, doubled: int
) -> None:
    ledger, evidence = whole()
    report = judge("wrong", ledger, wrong(evidence), pseudonym)
    assert [each for each in report.faults if each.startswith(f"{fault}:")], report.faults
    assert (report.lost, report.doubled) == (lost, doubled)


def test_what_was_refused_must_not_be_stored() -> None:
    ledger, evidence = whole()
    ledger.refused["event-0001"] = "in the future"
    assert judge("wrong", ledger, evidence, pseudonym).faults == ["1 refused and yet stored: event-0001"]


def test_the_ledger_takes_only_what_was_acknowledged() -> None:
    ledger = Ledger()
    ledger.sends(BATCH)
    ledger.hears(BATCH, 503, {"retry-after": "1"}, b'{"detail": "down"}')
    assert (ledger.acknowledged, ledger.complaints) == (set(), [])
    ledger.hears(BATCH, 503, {}, b'{"detail": "down"}')
    assert ledger.complaints == ["answered 503 without Retry-After"]
    refusal = b'{"rejected": [{"index": 1, "path": "$.at", "reason": "in the future"}]}'
    ledger.hears(BATCH, 200, {}, refusal, allowed=(200,))
    assert (ledger.acknowledged, set(ledger.refused)) == ({"event-0001"}, {"event-0002"})
    ledger.hears(BATCH, 204, {}, b"")
    assert (ledger.acknowledged, set(ledger.refused)) == ({"event-0001", "event-0002"}, set())
    ledger.hears(BATCH, 500, {}, b"oops")
    assert ledger.complaints[1:] == ["answered 500: oops"]
