"""Who is erased goes from the dead letters too: those of their messages are made anew without them.

Pub/Sub lists no messages and deletes no part of one. So a sweep takes every message of a subscription and holds it
until nothing more comes, which is the only way to see each once. A message that names somebody erased is published
again without those lines, and only then forgotten: killed in between, there are two copies of what stays, and whoever
reads them drops one by its events' ids. The others are let go at the end. One sweep at a time (`turn`), since two would
hide messages from each other; after one that was killed, the next begins when its leases are over. Does not know who
is erased.

Limits: what somebody else has taken at that moment (an operator's tool) is not seen, nor what Pub/Sub gave in an answer
that was lost on the way, nor what becomes a dead letter afterwards; the next sweep sees all three.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from layers.events.redaction import without
from layers.privacy.suppression import remembered
from layers.shell.log import log
from layers.stores.firestore.port import Documents
from layers.stores.pubsub.port import DeadLetters, Held, Message
from layers.stores.topics import DEAD_LETTER_DAYS, DEAD_LETTER_LEASE_S
from layers.stores.turn import SILENT, Turn

ORIGIN = "origin"
"""The attribute of a message made anew: when the first one of its kind was published, from which its delay counts."""

MOST = 200_000
"""Messages that one sweep holds: 100 MB of handles. They are some twenty million events."""

EMPTY = 2
"""How often in a row nothing must come."""

_WORK = "dead-letters"

Erased = Callable[[str, str], datetime | None]
"""From retailer and pseudonym to the last moment of which everything is erased; None for who is not."""


class TooMany(Exception):
    """More dead letters than one sweep can hold. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Attributes:
    messages: looked at. found: lines of the erased. removed: those that are gone.
    over: messages whose delay is over. ended: those of them that are gone.
    """

    messages: int = 0
    found: int = 0
    removed: int = 0
    over: int = 0
    ended: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(
            self.messages + other.messages,
            self.found + other.found,
            self.removed + other.removed,
            self.over + other.over,
            self.ended + other.ended,
        )


@dataclass(slots=True)
class _Seen:
    """One subscription's messages so far, by id: those held, with the handle of the last time, and those done with."""

    held: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    swept: Swept = field(default_factory=Swept)


class DeadLetterSweep:
    """Args:
    retailers: ids; a message that names none of them may be anybody's.
    now, pause: of the real clock.
    """

    def __init__(
        self,
        dead_letters: DeadLetters,
        documents: Documents,
        retailers: Collection[str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dead, self._documents, self._retailers = dead_letters, documents, retailers
        self._now, self._pause, self._clock = now, pause, clock

    async def look(self, erased: Erased) -> Swept:
        """How much there is; nothing changes.

        Raises:
            Unavailable, NoTurn, TooMany: nothing is known; repeat it.
        """
        return await self._all(erased, remove=False)

    async def remove(self, erased: Erased) -> Swept:
        """Raises:
        Unavailable, NoTurn, TooMany: what was done is done; repeat it.
        """
        return await self._all(erased, remove=True)

    async def _all(self, erased: Erased, remove: bool) -> Swept:
        lease = timedelta(seconds=DEAD_LETTER_LEASE_S)
        turn = Turn(self._documents, _WORK, lease, self._now, self._pause)
        await turn.take()
        swept = Swept()
        # Whoever breaks off leaves the turn to run out, as if killed: what is taken by then is free again.
        for name in self._dead.names:
            swept += await self._one(name, erased, remove, turn)
        # Had it been lost meanwhile, another sweep might hold what was not seen here.
        await turn.end()
        return swept

    async def _one(self, name: str, erased: Erased, remove: bool, turn: Turn) -> Swept:
        seen = _Seen()
        try:
            await self._through(name, erased, remove, turn, seen)
        except Exception:
            # They are of no use to anybody while nobody works on them.
            with contextlib.suppress(Exception):
                await self._dead.release(name, list(seen.held.values()))
            raise
        await self._dead.release(name, list(seen.held.values()))
        return seen.swept

    async def _through(self, name: str, erased: Erased, remove: bool, turn: Turn, seen: _Seen) -> None:
        empty, said = 0, self._clock()
        while empty < EMPTY:
            taken = await self._dead.take(name)
            empty = 0 if taken else empty + 1
            await self._judge(name, taken, erased, remove, seen)
            if len(seen.held) > MOST:
                log("ERROR", "too many dead letters to sweep", subscription=name, messages=len(seen.held))
                raise TooMany(f"{name} holds more than {MOST} messages; replay them, then ask again")
            if self._clock() - said > SILENT.total_seconds() / 3:
                # In this order, so that no message stays taken for longer than the turn.
                await self._dead.keep(name, list(seen.held.values()))
                await turn.keep()
                said = self._clock()

    async def _judge(self, name: str, taken: Collection[Held], erased: Erased, remove: bool, seen: _Seen) -> None:
        anew: list[Message] = []
        over: list[str] = []
        for each in taken:
            if each.id in seen.gone:
                # Given twice, as Pub/Sub may; it was counted the first time.
                over.append(each.handle)
                continue
            lines, message, ended = 0, None, self._over(each)
            if each.id not in seen.held:
                message, lines = self._without(each, erased)
                seen.swept += Swept(messages=1, found=lines, over=ended)
            if remove and (lines or ended):
                anew += [message] if message is not None else []
                over.append(each.handle)
                seen.gone.add(each.id)
                seen.swept += Swept(removed=lines, ended=ended)
            else:
                seen.held[each.id] = each.handle
        if anew:
            await self._dead.put_back(name, anew)
        if over:
            await self._dead.forget(name, over)

    def _without(self, held: Held, erased: Erased) -> tuple[Message | None, int]:
        """What is published instead, None where nothing is, and how many lines go."""
        attributes = held.message.attributes
        of = [attributes["retailer"]] if attributes.get("retailer") in self._retailers else sorted(self._retailers)
        data, lines = held.message.data, 0
        for retailer in of:
            data, went = without(data, remembered(lambda shopper, of=retailer: erased(of, shopper)))  # type: ignore[misc]
            lines += went
        if not data or self._over(held):
            return None, lines
        origin = _origin(attributes, held.published).isoformat()
        said = {**attributes, "count": str(data.count(b"\n") + 1), ORIGIN: origin}
        return replace(held.message, data=data, attributes=said), lines

    def _over(self, held: Held) -> bool:
        """Whether its delay is over: of one made anew, Pub/Sub counts from then."""
        return self._now() - _origin(held.message.attributes, held.published) > timedelta(days=DEAD_LETTER_DAYS)


def _origin(attributes: Mapping[str, str], published: datetime) -> datetime:
    """Of the first message. One that nobody can read is as old as the message that says so."""
    try:
        said = datetime.fromisoformat(attributes.get(ORIGIN, ""))
    except ValueError:
        return published
    return min(said, published) if said.tzinfo is not None else published
