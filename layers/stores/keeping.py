"""The one path on which an event is kept: noted in the journal, stored, dispatched. For whoever takes events.

The order is the promise. What is stored can always be found again by its arrival, what is published is always stored,
and what is acknowledged is all three. A consent is kept when its shopper's row holds it too: every page is answered
from that row, so a withdrawal holds from its acknowledgement on, however far decisioning is behind. Does not own what
may be taken, nor how requests are grouped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from layers.events.record import read_row_key
from layers.retailers import RetentionClass
from layers.shell.log import failure
from layers.stores.bigtable.port import Arrival, Arrivals, ConsentLine, HotEvent, HotEvents, ShopperRows, Unavailable
from layers.stores.pubsub.packing import messages
from layers.stores.pubsub.port import Publisher

_CONSENTS = f"{RetentionClass.CONSENT}_"
"""What the families of consents begin with."""


def _consent(retailer_id: str, event: HotEvent) -> ConsentLine:
    shopper, _ = read_row_key(event.key)
    return ConsentLine(retailer_id, shopper, event.at_ms, event.line)


@dataclass(frozen=True, slots=True)
class Keeping:
    """The stores of that path."""

    journal: Arrivals
    events: HotEvents
    rows: ShopperRows
    topic: Publisher

    async def keep(self, arrived: datetime, requests: Sequence[tuple[str, Sequence[HotEvent]]]) -> list[bool]:
        """Keeps the events of one group of requests, each a retailer's; of each event, in their order, whether it is
        kept. Keeping one again is harmless: row key and id are the event's own.

        Args:
            arrived: when the group did; the journal's time.

        Raises:
            Unavailable: of Bigtable or Pub/Sub; nothing is known to be kept.
        """
        noted: dict[str, list[bytes]] = {}
        for retailer_id, sent in requests:
            noted.setdefault(retailer_id, []).extend([event.key for event in sent])
        # The journal comes first, though asking both stores at once would be a few milliseconds sooner: killed in
        # between, there would be rows that nothing dispatched and nothing could find.
        await self.journal.note([Arrival(retailer_id, arrived, keys) for retailer_id, keys in noted.items()])
        events = [event for _, sent in requests for event in sent]
        stored = await self.events.write(events)
        answers = iter(stored)
        lines: dict[str, list[bytes]] = {}
        for retailer_id, sent in requests:
            # A request with a refused row is retried; what is stored is dispatched all the same, since a second copy
            # is dropped by its id and a stored event that nobody dispatches would be lost to scoring.
            lines.setdefault(retailer_id, []).extend([event.line for event in sent if next(answers)])
        packed = [message for id, kept in lines.items() for message in messages(id, kept)]
        places = [n for n, event in enumerate(events) if event.family.startswith(_CONSENTS) and stored[n]]
        if not places:
            await self.topic.publish(packed)
            return stored
        owners = [retailer_id for retailer_id, sent in requests for _ in sent]
        held, _ = await asyncio.gather(
            self._hold([_consent(owners[place], events[place]) for place in places]), self.topic.publish(packed)
        )
        for place, done in zip(places, held, strict=True):
            stored[place] = done
        return stored

    async def _hold(self, consents: Sequence[ConsentLine]) -> list[bool]:
        """Of each, whether its shopper's row holds it. The rows may be out of reach while events are not: that costs
        the requests with a consent their acknowledgement, and no other.
        """
        try:
            return await self.rows.write_consents(consents)
        except Unavailable as error:
            failure("consents are not acknowledged: the shoppers' rows are out of reach", error)
            return [False] * len(consents)
