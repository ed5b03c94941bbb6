"""One at a time, over all instances of all functions: a document says who is at work, and until when at the latest.

Who works says so again and again. Who was killed says nothing more, and the turn is free as soon as its time is over;
what the work had taken with it must be free by then too. Does not know what the work is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import uuid4

from layers.stores.collections import TURNS
from layers.stores.firestore.port import Document, Documents

SILENT = timedelta(seconds=6)
"""So long at most between two words of whoever is at work."""

CLOCKS = timedelta(seconds=2)
"""By so much two instances' clocks may differ."""

PATIENCE_S = 900.0
"""How long somebody waits for a turn: half of the longest request."""

_ASK_AGAIN_S = 0.5


class NoTurn(Exception):
    """Somebody else is at work, for longer than anybody waits, or took over; nothing of it is known to be whole, and
    the caller may repeat.
    """


class Turn:
    """Args:
    work: the document's id. taken: how long what the work takes stays taken when nobody works any more.
    """

    def __init__(
        self,
        documents: Documents,
        work: str,
        taken: timedelta,
        now: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._documents, self._work, self._after = documents, work, taken + CLOCKS
        self._now, self._pause = now, pause
        self._holder = uuid4().hex

    async def take(self) -> None:
        """Waits for it.

        Raises:
            NoTurn: see there.
        """
        waited = 0.0
        while not await self._taken():
            if waited >= PATIENCE_S:
                raise NoTurn(f"somebody else is at work on {self._work}")
            await self._pause(_ASK_AGAIN_S)
            waited += _ASK_AGAIN_S

    async def keep(self) -> None:
        """To be said within `SILENT` of the last word.

        Raises:
            NoTurn: it was not, so what was taken may be in other hands.
        """
        await self._say(self._mine)

    async def end(self) -> None:
        """Raises:
        NoTurn: as `keep`; the work is not known to have been done alone.
        """
        await self._say(lambda: {"holder": "", "until": self._now()})

    async def _say(self, word: Callable[[], dict[str, object]]) -> None:
        held = await self._documents.get(TURNS, self._work)
        mine = held is not None and held.data["holder"] == self._holder
        if held is None or not mine or held.data["until"] - self._after < self._now():
            raise NoTurn(f"the turn at {self._work} was lost")
        if not await self._documents.replace(TURNS, held, word()):
            raise NoTurn(f"the turn at {self._work} was lost")

    async def _taken(self) -> bool:
        held = await self._documents.get(TURNS, self._work)
        if held is None:
            return await self._documents.create(TURNS, self._work, self._mine())
        return self._free(held) and await self._documents.replace(TURNS, held, self._mine())

    def _free(self, held: Document) -> bool:
        return not held.data["holder"] or bool(held.data["until"] <= self._now())

    def _mine(self) -> dict[str, object]:
        return {"holder": self._holder, "until": self._now() + SILENT + self._after}
