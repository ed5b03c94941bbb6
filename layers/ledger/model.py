"""A budget's shards and its reservations, as they are stored. Data only; README.md says how they fit together."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Units = Annotated[int, Meta(ge=0)]
"""Cents, or a count: whole numbers only, since a sum of floats is no money."""


class Use(StrEnum):
    """What a shard's units are taken for."""

    HELD = "held"
    SPENT = "spent"
    RETURNED = "returned"


class Entry(msgspec.Struct, frozen=True):
    """One reservation's part of a shard. `amount` is negative where something came back after it was summed up."""

    amount: int
    use: Use


class Sent(msgspec.Struct, frozen=True):
    """Units on their way to shard `to`; this shard's allotment is without them already."""

    to: int
    amount: Units


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a budget, written whole and only over what was read.

    Attributes:
        allotment: all that this part may ever give away. spent: the sum of entries that are settled for good.
        received: units of other shards that `allotment` holds already, by transfer, until the sender forgot them.
    """

    retailer: str
    budget: str
    number: Units
    allotment: Units
    spent: int = 0
    entries: dict[str, Entry] = {}
    sent: dict[str, Sent] = {}
    received: dict[str, Units] = {}

    @property
    def used(self) -> int:
        return self.spent + sum(entry.amount for entry in self.entries.values())

    @property
    def free(self) -> int:
        return self.allotment - self.used

    @property
    def held(self) -> int:
        return sum(entry.amount for entry in self.entries.values() if entry.use is Use.HELD)


class Part(msgspec.Struct, frozen=True):
    """Units that a budget got at one time, over so many shards."""

    units: Units
    shards: Annotated[int, Meta(ge=1, le=500)]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    local: one of very many, as a store's of a day: put in order in turn, not in each run.
    until: the end of its period; of a local budget only.
    """

    retailer: str
    budget: str
    parts: tuple[Part, ...]
    local: bool = False
    until: datetime | None = None

    @property
    def limit(self) -> int:
        return sum(part.units for part in self.parts)

    @property
    def shards(self) -> int:
        return sum(part.shards for part in self.parts)

    def allotments(self) -> list[int]:
        """Of each shard at its beginning: every part spread evenly, the rest on its first shards."""
        return [
            part.units // part.shards + (number < part.units % part.shards)
            for part in self.parts
            for number in range(part.shards)
        ]


class Claim(msgspec.Struct, frozen=True):
    """What a reservation asks of one budget, and where it is held.

    Attributes:
        attempt: how many shards were found without room before this one. Part of the entry's name, so that what a
            straggler still writes for an earlier attempt is never taken for this one.
        settled: what was spent in the end, at most `amount`. lowered: what the newest lowering took from it.
    """

    budget: str
    amount: Annotated[int, Meta(ge=1)]
    shard: Units = 0
    attempt: Units = 0
    settled: Units = 0
    lowered: Units = 0


class Status(StrEnum):
    """Of a reservation; those in -ing are finished by whoever meets them."""

    CLAIMING = "claiming"
    RESERVED = "reserved"
    REFUSING = "refusing"
    REFUSED = "refused"
    RELEASING = "releasing"
    RELEASED = "released"
    COMMITTING = "committing"
    COMMITTED = "committed"
    LOWERING = "lowering"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """The one place that says what becomes of it; the shards only follow.

    Attributes:
        key: names it for good; a digest, never an event's or a shopper's id.
        until: when it is released unless it was committed. at: of its making.
        refused_by: the budget that had no room. lowerings: how often it was lowered after it was committed.
    """

    retailer: str
    key: str
    claims: tuple[Claim, ...]
    status: Status
    until: datetime
    at: datetime
    refused_by: str = ""
    lowerings: Units = 0

    def entry(self, claim: Claim) -> str:
        return f"{self.key}_{claim.attempt}"

    def lowering_entry(self, claim: Claim) -> str:
        """Of the newest lowering: one of its own, so that a repetition is told from another lowering."""
        return f"{self.entry(claim)}-{self.lowerings}"


def document(value: Budget | Shard | Reservation) -> dict[str, Any]:
    """As the store takes it."""
    return dict(msgspec.to_builtins(value, builtin_types=(datetime,)))
