"""The group commit: requests that arrive together are written together, and each learns its own fate.

One call each to Bigtable and Pub/Sub for a whole group costs a fraction of one each per event. The order within a group
is the promise: noted in the journal, stored, dispatched, answered. So what is stored can always be found again by its
arrival, what is published is always stored, and what is acknowledged is all three. Knows no HTTP and no schema.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from layers.shell.log import failure, log
from layers.stores.bigtable.port import Arrival, Arrivals, HotEvent, HotEvents
from layers.stores.bigtable.port import Unavailable as StoreUnavailable
from layers.stores.pubsub.packing import messages
from layers.stores.pubsub.port import Publisher
from layers.stores.pubsub.port import Unavailable as TopicUnavailable

CLOSE_AFTER_S = 0.005
"""How long the first request of a group waits for others."""

CLOSE_AT_EVENTS = 200
CLOSE_AT_BYTES = 200_000

GROUPS_AT_ONCE = 8
"""Groups in flight; more wait, and the wait is what makes groups larger under load."""

SLOT_WITHIN_S = 5.0
"""How long a group waits for a slot. With the deadlines of the stores (the journal 5 s, the events 5 s, the topic 10 s)
every request is answered within 25 s; Cloud Run would cut it off at 30 s, with no word of when to come again."""

PENDING_BYTES = 64 * 1024 * 1024
"""Beyond this the door answers 503: memory is bounded, and a tracker retries."""

Done = Callable[[bool], None]
"""Told once whether every event of a request is stored and dispatched."""


class Overloaded(Exception):
    """More is waiting than memory should hold."""


@dataclass(slots=True, eq=False)
class _Waiting:
    retailer_id: str
    events: Sequence[HotEvent]
    size: int
    arrived: datetime
    done: Done


class GroupCommit:
    """Made in the serving process's loop."""

    def __init__(
        self,
        store: HotEvents,
        journal: Arrivals,
        topic: Publisher,
        close_after_s: float = CLOSE_AFTER_S,
        pending_bytes: int = PENDING_BYTES,
        slot_within_s: float = SLOT_WITHIN_S,
    ) -> None:
        self._store, self._journal, self._topic = store, journal, topic
        self._close_after_s, self._most_pending, self._slot_within_s = close_after_s, pending_bytes, slot_within_s
        self._loop = asyncio.get_running_loop()
        self._open: list[_Waiting] = []
        self._events = self._bytes = self._pending_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._slots = asyncio.Semaphore(GROUPS_AT_ONCE)
        self._flushes: set[asyncio.Task[None]] = set()

    def submit(self, retailer_id: str, events: Sequence[HotEvent], size: int, arrived: datetime, done: Done) -> None:
        """Takes a request's events into the open group; `done` is called from the loop, later.

        Args:
            size: bytes of their lines. arrived: when the request did; the journal's time.

        Raises:
            Overloaded: nothing was taken, and `done` is never called.
        """
        if self._pending_bytes + size > self._most_pending:
            raise Overloaded
        self._open.append(_Waiting(retailer_id, events, size, arrived, done))
        self._events += len(events)
        self._bytes += size
        self._pending_bytes += size
        if self._events >= CLOSE_AT_EVENTS or self._bytes >= CLOSE_AT_BYTES:
            self._close()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._close_after_s, self._close)

    async def commit(self, retailer_id: str, events: Sequence[HotEvent], size: int, arrived: datetime) -> bool:
        """As `submit`, for a caller that waits: whether every one of `events` is stored and dispatched."""
        fate: asyncio.Future[bool] = self._loop.create_future()

        def decided(durable: bool) -> None:
            if not fate.done():
                fate.set_result(durable)

        self.submit(retailer_id, events, size, arrived, decided)
        return await fate

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open:
            group, self._open = self._open, []
            self._events = self._bytes = 0
            # asyncio keeps only a weak reference to a task: without the set a flush could be collected half-way.
            task = self._loop.create_task(self._flush(group))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _flush(self, group: list[_Waiting]) -> None:
        fates = [False] * len(group)
        try:
            async with asyncio.timeout(self._slot_within_s):
                await self._slots.acquire()
            try:
                fates = await self._store_and_dispatch(group)
            finally:
                self._slots.release()
        except TimeoutError:
            log("ERROR", "a group of events is not acknowledged: groups before it hang", requests=len(group))
        except (StoreUnavailable, TopicUnavailable) as error:
            log(
                "ERROR", "a group of events is not acknowledged: a store is down", store=str(error), requests=len(group)
            )
        except Exception as error:  # whatever it was, nobody may wait for ever
            failure("a group of events is not acknowledged", error)
        finally:
            for waiting, fate in zip(group, fates, strict=True):
                self._pending_bytes -= waiting.size
                try:
                    waiting.done(fate)
                except Exception as error:  # one broken connection must not leave the others waiting
                    failure("an answer could not be given", error)

    async def _store_and_dispatch(self, group: list[_Waiting]) -> list[bool]:
        arrived: dict[str, list[bytes]] = {}
        for waiting in group:
            arrived.setdefault(waiting.retailer_id, []).extend([event.key for event in waiting.events])
        # The journal comes first, though asking both stores at once would be a few milliseconds sooner: killed in
        # between, there would be rows that nothing dispatched and nothing could find. The first arrival stands for its
        # group: milliseconds apart, and the journal counts in minutes.
        await self._journal.note([Arrival(id, group[0].arrived, keys) for id, keys in arrived.items()])
        stored = await self._store.write([event for waiting in group for event in waiting.events])
        answers = iter(stored)
        lines: dict[str, list[bytes]] = {}
        fates: list[bool] = []
        for waiting in group:
            kept = [event.line for event in waiting.events if next(answers)]
            # A request with a refused row fails whole and is retried; what is stored is dispatched all the same, since
            # a second copy is dropped by its id and a stored event that nobody dispatches would be lost to scoring.
            lines.setdefault(waiting.retailer_id, []).extend(kept)
            fates.append(len(kept) == len(waiting.events))
        await self._topic.publish([message for id, kept in lines.items() for message in messages(id, kept)])
        if not all(fates):
            log("ERROR", "Bigtable refused rows", rows=stored.count(False), requests=fates.count(False))
        return fates
