"""What ingest decides, pure: which events of a request are taken, under which row and family.

Does not own the schema (`layers.events`), how lines are packed into messages (`layers.stores.pubsub.packing`), nor when
a group is written (`commit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from functions.ingest.allowance import Allowance
from layers.events.envelope import Envelope, EventReader, Rejection
from layers.events.model import EVENT_TYPES, ConsentChanged
from layers.events.record import milliseconds, record_head, record_line, record_of, row_key_at, row_prefix
from layers.privacy.suppression import REFUSED, ErasedAt, latest
from layers.retailers import Retailer, family
from layers.stores.bigtable.port import HotEvent

Pseudonymise = Callable[[str], str]


class Door:
    """One retailer's: all that does not change from request to request.

    Args:
        pseudonymise: from customer id to pseudonym, under the key that writes.
        erased_at: from pseudonym to the last moment of which everything is erased, None for a shopper who is not.
        others: the same as `pseudonymise`, under the retailer's other keys. former: the one of them that wrote before.
    """

    __slots__ = ("allowance", "erased_at", "families", "former", "others", "pseudonymise", "reader", "retailer")

    def __init__(
        self,
        retailer: Retailer,
        pseudonymise: Pseudonymise,
        erased_at: ErasedAt,
        others: Sequence[Pseudonymise] = (),
        former: Pseudonymise | None = None,
    ) -> None:
        self.retailer, self.pseudonymise, self.erased_at = retailer, pseudonymise, erased_at
        self.others, self.former = others, former
        self.allowance = Allowance(retailer.events_per_second)
        self.reader = EventReader(retailer.contract)
        days = retailer.contract.days
        self.families = {kind: family(kind.retention, days(kind.retention)) for kind in EVENT_TYPES}


@dataclass(slots=True)
class Taken:
    """What a request holds once it is read.

    Attributes:
        copies: the consents among `events` once more, under the retailer's other keys: a refusal holds wherever
            something of the shopper stands. size: bytes of the record lines of both.
    """

    events: list[HotEvent] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    copies: list[HotEvent] = field(default_factory=list)
    size: int = 0

    @property
    def kept(self) -> list[HotEvent]:
        """All that is stored and dispatched."""
        return self.events + self.copies if self.copies else self.events


def take(envelopes: Sequence[Envelope], door: Door, now: datetime) -> Taken:
    """Reads every event on its own: a bad one is described and left out, its neighbours are taken.

    Args:
        now: when the request arrived; kept as `received`.
    """
    taken = Taken()
    read, limits, families = door.reader.read, door.reader.limits(now), door.families
    for place, envelope in enumerate(envelopes):
        shopper = door.pseudonymise(envelope.shopper)
        erased = door.erased_at(shopper)
        others = [pseudonymise(envelope.shopper) for pseudonymise in door.others] if door.others else ()
        if others:
            erased = latest([erased, *map(door.erased_at, others)])
        prefix = row_prefix(door.retailer.id, shopper)
        head = record_head(shopper, envelope.session, envelope.channel, now)
        for index, raw in enumerate(envelope.events):
            event, kept = read(raw, now, limits)
            if isinstance(event, str) or isinstance(kept, str):
                taken.rejected.append(Rejection(index, str(event), str(kept), place))
                continue
            if erased is not None and event.at <= erased:
                taken.rejected.append(Rejection(index, "$.at", REFUSED, place))
                continue
            at_ms = milliseconds(event.at)
            line = record_line(head, kept)
            taken.size += len(line)
            taken.events.append(HotEvent(row_key_at(prefix, at_ms, event.id), families[type(event)], at_ms, line))
            if others and isinstance(event, ConsentChanged):
                for other in others:
                    copy = copied(taken.events[-1], door.retailer.id, other, event.id)
                    taken.size += len(copy.line)
                    taken.copies.append(copy)
    return taken


def copied(event: HotEvent, retailer_id: str, shopper: str, event_id: str) -> HotEvent:
    """The same event under another pseudonym of the same customer."""
    line = record_of(event.line, shopper)
    return HotEvent(
        row_key_at(row_prefix(retailer_id, shopper), event.at_ms, event_id), event.family, event.at_ms, line
    )
