"""A page that stays open hears what it should show: server-sent events, one for each answer that differs from the last.

A stream looks at the shopper's row once a second, and only a row that changed is answered anew: an idle one costs one
read a second, which travels with those of the others: 0.14 ms of CPU, and 40 KB (`tests.bench --only streams`). Does
not own what an answer holds (`rules`) nor how it is found (`handler`).
"""

from __future__ import annotations

import asyncio
import math
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from functions.experiences.rules import Answer, Question
from layers.shell.log import failure
from layers.stores.bigtable.port import ShopperRow
from layers.tree.live import Live

EVERY_S = 1.0
"""Between two looks: how long a page may show what decisioning has overtaken."""

TOGETHER_S = 0.1
"""Looks are brought forward to the last such moment of the clock, so that those of several streams travel in one call.
200 streams that each looked at its own moment cost 11 % of a core; so they cost 3 %. All of them at once would take
2 %, and hold up whatever else is asked for 18 ms, every second."""

HEARTBEAT_S = 15.0
"""Some proxies close a connection on which nothing is sent for longer; and a page that is gone is noticed by it."""

LASTS_S = 300.0
"""Then the page connects again: instances empty when they are replaced, and a customer id is proved anew."""

RETRY_MS = 2000

MOST = 200
"""Streams of an instance, of the 250 requests that it takes at once (function.py): the rest answers in one go."""

LOOKS_FOR_EVENT = 10
"""How often the event of `after` is looked for among the stored ones. One that is not there by then never was sent."""

PATIENT = 5
"""Looks that may fail before the default is shown: a page keeps what it has for a moment, as its store comes back."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was read, to tell whether anything changed."""

    live: Live | None
    rows: tuple[ShopperRow, ...] = ()
    erased: datetime | None = None

    def same(self, other: Sight | None) -> bool:
        # A tree that did not change is the same object (layers/tree/live.py).
        return other is not None and self.live is other.live and (self.rows, self.erased) == (other.rows, other.erased)


class Streams:
    """Those of an instance.

    Args:
        clock: monotonic seconds. pause: waits so many seconds, for tests; the real one ends early with `end`.
    now: the real clock, by which a journey is old.
    """

    def __init__(
        self,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.most, self.clock, self._pause, self.now = most, clock, pause, now
        self.open = 0
        self._ending = asyncio.Event()

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def enter(self) -> bool:
        """Whether there is room for one more; `leave` gives it back."""
        if self.ending or self.open >= self.most:
            return False
        self.open += 1
        return True

    def leave(self) -> None:
        self.open -= 1

    def end(self) -> None:
        """Every stream ends now, and none begins; pages connect again elsewhere."""
        self._ending.set()

    async def pause(self, seconds: float) -> None:
        if self._pause is not None:
            await self._pause(seconds)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    def end_at_sigterm(self) -> None:
        """The server waits for open requests before it stops; streams would have it wait until it is killed."""
        before: Any = signal.getsignal(signal.SIGTERM)
        if not callable(before) or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        def heard(number: int, frame: Any) -> None:
            loop.call_soon_threadsafe(self.end)
            before(number, frame)

        signal.signal(signal.SIGTERM, heard)


Ask = Callable[[Question, Sight | None], Awaitable[tuple[Sight, Answer | None]]]
"""Looks, and answers unless all is as it was."""


async def messages(
    question: Question, ask: Ask, default: Callable[[Question], Answer], streams: Streams
) -> AsyncIterator[bytes]:
    """What is sent. Never raises for a store."""
    begun = said = streams.clock()
    sight: Sight | None = None
    shown: Answer | None = None
    looks = failed = 0
    yield b"retry: %d\n\n" % RETRY_MS
    while streams.clock() - begun < LASTS_S and not streams.ending:
        looks += 1
        answer: Answer | None
        try:
            # An event may be stored and the row not know it yet.
            sight, answer = await ask(question, sight if question.after is None else None)
            failed = 0
        except Exception as error:
            sight, answer, failed = None, None, failed + 1
            if failed == 1:
                failure("a stream could not look", error, "WARNING")
            if shown is None or failed == PATIENT:
                answer = default(question)
        if answer is not None:
            if shown is None or _told(answer) != _told(shown):
                yield message(answer)
                said = streams.clock()
            shown = answer
            if answer.after is not None and (answer.after.counted or looks >= LOOKS_FOR_EVENT):
                question = replace(question, after=None)
        if streams.clock() - said >= HEARTBEAT_S:
            yield b":\n\n"
            said = streams.clock()
        await streams.pause(until_next_look(streams.clock()))


def until_next_look(now: float) -> float:
    """Seconds: a tenth less than `EVERY_S` at the shortest."""
    # Without the thousandth, what floats lose would cost a whole step.
    return math.floor((now + EVERY_S) / TOGETHER_S + 1e-3) * TOGETHER_S - now


def _told(answer: Answer) -> Answer:
    """What makes a page draw anew: also that its event counts now, but not that it is asked about no longer."""
    counted = answer.after is None or answer.after.counted
    return msgspec.structs.replace(answer, after=None, reason=f"{answer.reason}{'' if counted else ', not counted'}")


def message(answer: Answer) -> bytes:
    """One event of the stream: its id is the decision's, where there is one."""
    named = f"id: {answer.decision}\n" if answer.decision is not None else ""
    return f"event: experiences\n{named}data: ".encode() + msgspec.json.encode(answer) + b"\n\n"


class Stream(StreamingResponse):
    """Gives its place back however it ends, also when the page left before the first word."""

    def __init__(self, content: AsyncIterator[bytes], headers: dict[str, str], streams: Streams) -> None:
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave()
