"""What the load program wrote down: what was sent, and what the door said to each request. Knows no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's content."""

    customer: str
    session: str
    events: tuple[Event, ...]
    channel: str = "web"

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    def body(self) -> bytes:
        return msgspec.json.encode(
            {"shopper": self.customer, "session": self.session, "channel": self.channel, "events": self.events}
        )


@dataclass(slots=True)
class Ledger:
    """Attributes:
    sent: batch by event id, of every event that a whole request may have carried to the door.
    acknowledged: ids under `204`, or under `200` without being among the refused.
    refused: ids that the door refused and did not take later, with the reason; `refused_once` keeps the others too.
    statuses: answers by status. reasons: of the 503s, as their problem documents say.
    unanswered: requests that ended without an answer.
    complaints: answers that the contract does not allow.
    """

    sent: dict[str, Batch] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    refused_once: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    complaints: list[str] = field(default_factory=list)

    def sends(self, batch: Batch) -> None:
        for id in batch.ids:
            self.sent[id] = batch

    def hears(
        self, batch: Batch, status: int, headers: dict[str, str], body: bytes, allowed: Iterable[int] = (204, 503)
    ) -> None:
        """Writes an answer down, and complains about one that is not `allowed` or says too little."""
        self.statuses[status] += 1
        if status not in allowed:
            self.complaints.append(f"answered {status}: {body[:200].decode(errors='replace')}")
        rejected: dict[int, str] = {}
        if status in (200, 400) and body:
            rejected = {each["index"]: each["reason"] for each in msgspec.json.decode(body).get("rejected", ())}
            refused = {batch.events[index]["id"]: reason for index, reason in rejected.items()}
            self.refused.update(refused)
            self.refused_once.update(refused)
        if status in (200, 204):
            taken = [id for index, id in enumerate(batch.ids) if index not in rejected]
            self.acknowledged.update(taken)
            for id in taken:
                self.refused.pop(id, None)
        if status == 503:
            self.reasons[msgspec.json.decode(body)["detail"]] += 1
            if not headers.get("retry-after", "").isdigit():
                self.complaints.append("answered 503 without Retry-After")
