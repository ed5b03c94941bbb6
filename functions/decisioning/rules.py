"""What decisioning decides beside the tree: which shoppers a message is about, how decisions are packed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from layers.events.record import Record
from layers.privacy.suppression import ErasedAt, nobody
from layers.stores.pubsub.port import Message
from layers.tree.decision import Decision, encode_decisions
from layers.tree.folding import consent_of, key_of
from layers.tree.state import Key, State

PACKED = 200
"""Decisions in one message, about 300 kB: cooling writes them as one batch."""


@dataclass(slots=True)
class Delivered:
    """What one message says about one shopper.

    Attributes:
        keys: of events that move the shopper. consents: records of `ConsentChanged`, of every channel: a consent given
            long ago and delivered in bulk counts too.
    """

    shopper: str
    keys: set[Key] = field(default_factory=set)
    consents: list[Record] = field(default_factory=list)


def by_shopper(records: Iterable[Record], erased_at: ErasedAt = nobody) -> list[Delivered]:
    """One entry a shopper, in the order of first mention; past orders of channel `history` move nobody, and what is
    erased counts for nobody.
    """
    found: dict[str, Delivered] = {}
    for record in records:
        erased = erased_at(record.shopper)
        if erased is not None and record.event.at <= erased:
            continue
        consent = consent_of(record) is not None
        if record.channel == "history" and not consent:
            continue
        delivered = found.setdefault(record.shopper, Delivered(record.shopper))
        if consent:
            delivered.consents.append(record)
        if record.channel != "history":
            delivered.keys.add(key_of(record))
    return list(found.values())


def all_counted(state: State | None, delivered: Delivered) -> bool:
    """Whether the state surely holds every event delivered, so that there is nothing left to do: a second delivery."""
    return state is not None and all(state.has_counted(key) for key in delivered.keys)


def packed(retailer_id: str, decisions: Sequence[Decision], trace: str) -> Iterator[Message]:
    """Messages for the topic `decisions`: lines of JSON, as `layers.tree.decision` writes them."""
    for start in range(0, len(decisions), PACKED):
        part = decisions[start : start + PACKED]
        attributes = {"retailer": retailer_id, "count": str(len(part)), "trace": trace}
        yield Message(encode_decisions(part), attributes)
