"""What ingest decides, pure: which events of a request are taken, under which row and family.

Does not own the schema (`layers.events`), how lines are packed into messages (`layers.stores.pubsub.packing`), nor when
a group is written (`commit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from layers.events.envelope import Envelope, Rejection, read_event
from layers.events.record import encode_record, milliseconds, row_key
from layers.retailers import Retailer, family
from layers.stores.bigtable.port import HotEvent


@dataclass(slots=True)
class Taken:
    """What a request holds once it is read."""

    events: list[HotEvent] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of its record lines."""
        return sum(len(event.line) for event in self.events)


def take(envelopes: Sequence[Envelope], retailer: Retailer, pseudonymise: Callable[[str], str], now: datetime) -> Taken:
    """Reads every event on its own: a bad one is described and left out, its neighbours are taken.

    Args:
        now: when the request arrived; kept as `received`.
    """
    taken = Taken()
    for place, envelope in enumerate(envelopes):
        shopper = pseudonymise(envelope.shopper)
        for index, raw in enumerate(envelope.events):
            event, kept = read_event(raw, now, retailer.contract)
            if isinstance(event, str) or isinstance(kept, str):
                taken.rejected.append(Rejection(index, str(event), str(kept), place))
                continue
            taken.events.append(
                HotEvent(
                    key=row_key(retailer.id, shopper, event.at, event.id),
                    family=family(event.retention, retailer.contract.days(event.retention)),
                    at_ms=milliseconds(event.at),
                    line=encode_record(shopper, envelope.session, envelope.channel, now, kept),
                )
            )
    return taken
