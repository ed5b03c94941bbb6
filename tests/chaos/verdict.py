"""Whether a scenario was survived: what was sent, held against what every store holds, event by event. Pure.

The guarantee, as the suite reads it: acknowledged ⊆ stored, published ⊆ stored, stored ⊆ journal, cooled = stored, no
fact twice. To which it adds what a reader would take for granted: nothing stored that nobody sent, and each event under
its own shopper, in its own row, with its own content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.ledger import Batch, Ledger
from tests.chaos.witnesses import StoredEvent, milliseconds

_TABLE = {
    "PageViewed": "page_views",
    "Searched": "searches",
    "AddedToBasket": "basket_changes",
    "OrderPaid": "orders",
    "ConsentChanged": "consents",
}
_LAST_MS = 9_999_999_999_999


@dataclass(frozen=True, slots=True)
class Evidence:
    """Attributes:
    stored: rows by event id. published: in how many messages an event stood. facts: rows by (view, event id).
    journalled: ids in the journal of arrivals. delivered: rows in the tables below the views.
    """

    stored: Mapping[str, Sequence[StoredEvent]]
    published: Mapping[str, int]
    facts: Mapping[tuple[str, str], int]
    journalled: Collection[str] = ()
    delivered: int = 0


@dataclass(slots=True)
class Report:
    """One line of the final table. `faults` is empty where the scenario was survived."""

    name: str
    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    published: int = 0
    cooled: int = 0
    doubled: int = 0
    lost: int = 0
    republished: int = 0
    redelivered: int = 0
    told: str = ""
    faults: list[str] = field(default_factory=list)


def expected_facts(stored: Mapping[str, Sequence[StoredEvent]]) -> dict[tuple[str, str], int]:
    """The rows that these events make, by (view, event id)."""
    facts: dict[tuple[str, str], int] = {}
    for id, rows in stored.items():
        event = rows[0].line["event"]
        facts[_TABLE[event["type"]], id] = 1
        if event["type"] == "OrderPaid":
            facts["order_lines", id] = len(event["lines"])
        if event.get("kept", {}).get("lines"):
            facts["kept_lines", id] = len(event["kept"]["lines"])
    return facts


def judge(name: str, ledger: Ledger, evidence: Evidence, pseudonym: Callable[[str], str]) -> Report:
    """Args:
    pseudonym: of a customer id.
    """
    stored, published = evidence.stored.keys(), evidence.published.keys()
    cooled = {id for _, id in evidence.facts}
    expected = expected_facts(evidence.stored)
    doubled = {key for key, rows in evidence.facts.items() if rows > expected.get(key, 0) and key in expected}
    lost = {id for id in ledger.acknowledged if id not in stored or id not in cooled or id not in published}
    faults = list(dict.fromkeys(ledger.complaints))
    for ids, what in (
        (ledger.acknowledged - stored, "acknowledged and not stored"),
        (ledger.acknowledged - published, "acknowledged and never published"),
        (stored - set(evidence.journalled), "stored and not in the journal"),
        (published - stored, "published and not stored"),
        (stored - cooled, "stored and not cooled"),
        (cooled - stored, "cooled and not stored"),
        (stored - ledger.sent.keys(), "stored though nobody sent it"),
        (ledger.refused.keys() & stored, "refused and yet stored"),
        ({id for id, rows in evidence.stored.items() if len(rows) > 1}, "stored in two rows"),
        (_altered(ledger, evidence, pseudonym), "stored otherwise than it was sent"),
        ({id for _, id in doubled}, "a fact twice"),
        ({id for view, id in expected if evidence.facts.get((view, id), 0) < expected[view, id]}, "a fact missing"),
        ({id for view, id in evidence.facts if id in stored and (view, id) not in expected}, "a fact of another kind"),
    ):
        if ids:
            faults.append(f"{len(ids)} {what}: {_some(ids)}")
    return Report(
        name,
        sent=len(ledger.sent),
        acknowledged=len(ledger.acknowledged),
        stored=len(stored),
        published=len(published),
        cooled=len(cooled),
        doubled=len(doubled),
        lost=len(lost),
        republished=sum(evidence.published.values()) - len(published),
        redelivered=evidence.delivered - sum(evidence.facts.values()),
        faults=faults,
    )


def _some(ids: Collection[str]) -> str:
    shown = ", ".join(sorted(ids)[:3])
    return shown if len(ids) <= 3 else f"{shown}, …"


def _altered(ledger: Ledger, evidence: Evidence, pseudonym: Callable[[str], str]) -> set[str]:
    names: dict[str, str] = {}
    found = set()
    for id, rows in evidence.stored.items():
        batch = ledger.sent.get(id)
        if batch is None:
            continue
        shopper = names.setdefault(batch.customer, pseudonym(batch.customer))
        if not all(_as_sent(row, id, batch, shopper) for row in rows):
            found.add(id)
    return found


def _as_sent(row: StoredEvent, id: str, batch: Batch, shopper: str) -> bool:
    sent = next(event for event in batch.events if event["id"] == id)
    at_ms = milliseconds(sent["at"])
    line = row.line
    return (
        (row.shopper, row.at_ms, row.reversed_ms) == (shopper, at_ms, _LAST_MS - at_ms)
        and (line["shopper"], line["session"], line["channel"]) == (shopper, batch.session, batch.channel)
        and _content(line["event"]) == _content(sent)
    )


def _content(event: Mapping[str, Any]) -> dict[str, Any]:
    """Without the spelling of its time, which ingest may renew."""
    return {**event, "at": milliseconds(event["at"])}
