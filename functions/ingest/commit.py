"""The group commit: requests that arrive together are written together, and each learns its own fate.

One call each to Bigtable and Pub/Sub for a whole group costs a fraction of one each per event. The order within a group
is that of `layers.stores.keeping`: noted, stored, dispatched; then it is answered. Knows no HTTP and no schema.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from layers.shell.log import failure, log
from layers.stores.bigtable.port import Arrivals, HotEvent, HotEvents, ShopperRows
from layers.stores.bigtable.port import Unavailable as StoreUnavailable
from layers.stores.keeping import Keeping
from layers.stores.pubsub.port import Publisher
from layers.stores.pubsub.port import Unavailable as TopicUnavailable

CLOSE_AFTER_S = 0.005
"""How long the first request of a group waits for others."""

CLOSE_AT_EVENTS = 500
CLOSE_AT_BYTES = 500_000
"""Under full load a group of 500 costs about 4 us an event, one of 200 costs 5.7, of ingest's 13. Larger ones save
little more, and eight of 1 MB in flight, each copied several times, cost 12 MB of memory."""

GROUPS_AT_ONCE = 8
"""Groups in flight. While they are, the next one goes on growing: slow stores make large groups, not a queue of small
ones that they would never get through."""

REFUSE_AFTER_S = 5.0
"""A request that waited so long for its group to begin is refused instead. With the stores' deadlines (the journal
5 s, the events 5 s, the topic 10 s) every request is answered within 25 s; Cloud Run would cut it off at 30 s, with no
word of when to come again."""

PENDING_BYTES = 64 * 1024 * 1024
"""Beyond this the door answers 503: memory is bounded, and a tracker retries."""

Done = Callable[[bool], None]
"""Told once whether every event of a request is stored and dispatched."""


class Overloaded(Exception):
    """More is waiting than memory should hold."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """`since` is the loop's time: a wall clock that jumps would refuse everybody."""

    retailer_id: str
    events: Sequence[HotEvent]
    size: int
    arrived: datetime
    since: float
    done: Done


_Group = list[_Waiting]


class GroupCommit:
    """Made in the serving process's loop."""

    def __init__(
        self,
        store: HotEvents,
        journal: Arrivals,
        rows: ShopperRows,
        topic: Publisher,
        close_after_s: float = CLOSE_AFTER_S,
        pending_bytes: int = PENDING_BYTES,
        refuse_after_s: float = REFUSE_AFTER_S,
    ) -> None:
        self._keeping = Keeping(journal, store, rows, topic)
        self._close_after_s, self._most_pending, self._refuse_after_s = close_after_s, pending_bytes, refuse_after_s
        self._loop = asyncio.get_running_loop()
        self._open: _Group = []
        self._events = self._bytes = self._pending_bytes = 0
        self._full: deque[_Group] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._due = False
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
        self._open.append(_Waiting(retailer_id, events, size, arrived, self._loop.time(), done))
        self._events += len(events)
        self._bytes += size
        self._pending_bytes += size
        if self._events >= CLOSE_AT_EVENTS or self._bytes >= CLOSE_AT_BYTES:
            self._full.append(self._closed())
            self._begin()
        elif self._timer is None and not self._due:
            self._timer = self._loop.call_later(self._close_after_s, self._fall_due)

    async def commit(self, retailer_id: str, events: Sequence[HotEvent], size: int, arrived: datetime) -> bool:
        """As `submit`, for a caller that waits: whether every one of `events` is stored and dispatched."""
        fate: asyncio.Future[bool] = self._loop.create_future()

        def decided(durable: bool) -> None:
            if not fate.done():
                fate.set_result(durable)

        self.submit(retailer_id, events, size, arrived, decided)
        return await fate

    def _fall_due(self) -> None:
        self._timer = None
        self._due = True
        self._begin()

    def _closed(self) -> _Group:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = False
        group, self._open = self._open, []
        self._events = self._bytes = 0
        return group

    def _begin(self) -> None:
        """Starts as many groups as may be in flight: full ones first, then the open one, once it is due."""
        while len(self._flushes) < GROUPS_AT_ONCE and (self._full or self._due):
            group = self._in_time(self._full.popleft() if self._full else self._closed())
            if group:
                # The set also keeps the task alive: asyncio itself holds only a weak reference to it.
                task = self._loop.create_task(self._flush(group))
                self._flushes.add(task)
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._flushes.discard(task)
        self._begin()

    def _in_time(self, group: _Group) -> _Group:
        """Those that have not waited too long; the others are refused."""
        earliest = self._loop.time() - self._refuse_after_s
        if group[0].since >= earliest:
            return group
        late = [waiting for waiting in group if waiting.since < earliest]
        log("ERROR", "events are not acknowledged: groups before them hang", requests=len(late))
        self._answer(late, [False] * len(late))
        return group[len(late) :]

    def _answer(self, group: _Group, fates: Iterable[bool]) -> None:
        for waiting, fate in zip(group, fates, strict=True):
            self._pending_bytes -= waiting.size
            try:
                waiting.done(fate)
            except Exception as error:  # one broken connection must not leave the others waiting
                failure("an answer could not be given", error)

    async def _flush(self, group: _Group) -> None:
        fates = [False] * len(group)
        try:
            fates = await self._store_and_dispatch(group)
        except (StoreUnavailable, TopicUnavailable) as error:
            log(
                "ERROR", "a group of events is not acknowledged: a store is down", store=str(error), requests=len(group)
            )
        except Exception as error:  # whatever it was, nobody may wait for ever
            failure("a group of events is not acknowledged", error)
        finally:
            self._answer(group, fates)

    async def _store_and_dispatch(self, group: _Group) -> list[bool]:
        # The first arrival stands for its group: milliseconds apart, and the journal counts in minutes.
        stored = await self._keeping.keep(
            group[0].arrived, [(waiting.retailer_id, waiting.events) for waiting in group]
        )
        fates: list[bool] = []
        first = 0
        for waiting in group:
            # A request with a refused row fails whole and is retried.
            fates.append(all(stored[first : first + len(waiting.events)]))
            first += len(waiting.events)
        if not all(fates):
            log("ERROR", "Bigtable refused rows", rows=stored.count(False), requests=fates.count(False))
        return fates
