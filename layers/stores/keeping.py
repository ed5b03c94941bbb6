"""The one path on which an event is kept: noted in the journal, stored, dispatched. For whoever takes events.

The order is the promise. What is stored can always be found again by its arrival, what is published is always stored,
and what is acknowledged is all three. Does not own what may be taken, nor how requests are grouped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from layers.stores.bigtable.port import Arrival, Arrivals, HotEvent, HotEvents
from layers.stores.pubsub.packing import messages
from layers.stores.pubsub.port import Publisher


@dataclass(frozen=True, slots=True)
class Keeping:
    """The three stores of that path."""

    journal: Arrivals
    events: HotEvents
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
        for retailer_id, events in requests:
            noted.setdefault(retailer_id, []).extend([event.key for event in events])
        # The journal comes first, though asking both stores at once would be a few milliseconds sooner: killed in
        # between, there would be rows that nothing dispatched and nothing could find.
        await self.journal.note([Arrival(retailer_id, arrived, keys) for retailer_id, keys in noted.items()])
        stored = await self.events.write([event for _, events in requests for event in events])
        answers = iter(stored)
        lines: dict[str, list[bytes]] = {}
        for retailer_id, events in requests:
            # A request with a refused row is retried; what is stored is dispatched all the same, since a second copy
            # is dropped by its id and a stored event that nobody dispatches would be lost to scoring.
            lines.setdefault(retailer_id, []).extend([event.line for event in events if next(answers)])
        await self.topic.publish([message for id, kept in lines.items() for message in messages(id, kept)])
        return stored
