"""What ingest decides, pure: which events of a request are taken, under which row and family, in which messages.

Does not own the schema (`layers.events`), nor when a group is written (`commit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from layers.events.envelope import Envelope, Rejection, read_event
from layers.events.record import encode_record, milliseconds, row_key
from layers.retailers import Retailer, family
from layers.stores.bigtable.port import HotEvent
from layers.stores.pubsub.port import Message

EVENTS_A_MESSAGE = 100
"""The Pub/Sub emulator delivers two messages at a time, the cloud bills by message: both want events packed."""

MESSAGE_BYTES = 200_000


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


def messages(retailer_id: str, lines: Iterable[bytes], trace: str = "") -> Iterator[Message]:
    """Packs one retailer's record lines: at most 100 events and about 200 kB a message."""
    packed: list[bytes] = []
    size = 0
    for line in lines:
        if packed and (len(packed) == EVENTS_A_MESSAGE or size + len(line) > MESSAGE_BYTES):
            yield _message(retailer_id, packed, trace)
            packed, size = [], 0
        packed.append(line)
        size += len(line) + 1
    if packed:
        yield _message(retailer_id, packed, trace)


def _message(retailer_id: str, lines: list[bytes], trace: str) -> Message:
    attributes = {"retailer": retailer_id, "count": str(len(lines))}
    if trace:
        attributes["trace"] = trace
    return Message(b"\n".join(lines), attributes)
