"""Who is erased, and until when: every suppression of the stack, in memory, so that asking costs a look-up.

Whatever an erased shopper did at or before the moment that `erased_at` gives must not be taken, kept, decided, cooled,
exported or answered again; what comes after it is a new shopper's. Does not write suppressions
(functions/consent_erasure does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from layers.privacy.suppression import digest, last_erased
from layers.shell.log import failure
from layers.stores.collections import SUPPRESSIONS
from layers.stores.firestore.port import Document, Later

FRESH_S = 1.0
"""How old what is in memory may be before it is read again."""

READ_WITHIN_S = 3.0
"""How long one page may take to read."""

PAGE = 5000

HEARD_WITHIN_S = FRESH_S + READ_WITHIN_S + 1.0
"""So long after a suppression is written, every entrance that reaches the store refuses. Events that an entrance had
checked before may still be on their way."""

LONGEST_REQUEST_S = 60.0
"""How long such an event may be: Cloud Run cuts off ingest's requests after 30 s, those of cooling and decisioning
after 60. A test holds it against their declarations."""

REMEMBERED = 20_000
"""Shoppers whose digest is not made anew, about 6 MB. Asking about one of them costs ingest 0.15 us, of its 37 for an
event that is sent alone; about another 0.7."""

OVERLAP = timedelta(seconds=60)
"""Documents are asked for again so long after they were noted: by then every one that was noted earlier can be read,
however long its write took and whatever the clocks of writer and reader differ."""

NOTED = "noted"
"""When a suppression was written. `since` is when the erasure was asked for: a run that is resumed writes it late, and
whoever asked for later values of `since` alone would never see it."""


class Unavailable(Exception):
    """No suppression was ever read, so nobody can be told from an erased shopper; the caller may repeat."""


class Suppressions(Protocol):
    """Call `fresh` where waiting is possible, before a piece of work; then ask about its shoppers."""

    def erased_at(self, retailer_id: str, shopper: str) -> datetime | None:
        """The last moment of which everything is erased; None for a shopper who is not.

        Args:
            shopper: the pseudonym.
        """

    def known(self) -> bool:
        """Whether what is in memory may be used without waiting; begins a read behind it where that is due."""

    async def fresh(self) -> None:
        """Reads what is new, unless that was done a moment ago.

        Raises:
            Unavailable: not readable, and never read before.
        """


class FakeSuppressions:
    """In memory, for tests of handlers.

    Attributes:
        since: by retailer and pseudonym. down: as if nothing could ever be read.
    """

    def __init__(self) -> None:
        self.since: dict[tuple[str, str], datetime] = {}
        self.down = False

    def suppress(self, retailer_id: str, shopper: str, since: datetime) -> None:
        self.since[retailer_id, shopper] = since

    def erased_at(self, retailer_id: str, shopper: str) -> datetime | None:
        since = self.since.get((retailer_id, shopper))
        return None if since is None else last_erased(since)

    def known(self) -> bool:
        return not self.down

    async def fresh(self) -> None:
        if self.down:
            raise Unavailable("down")


class LiveSuppressions:
    """Those of Firestore. Made in the serving process's loop.

    A read that fails is tried again a moment later and what was known before is used meanwhile: while nobody can read
    the store, nobody can write a new suppression either.

    Args:
        clock: monotonic seconds, e.g. `time.monotonic`. now: compared with `noted` only.
    """

    def __init__(
        self,
        documents: Later,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        fresh_s: float = FRESH_S,
    ) -> None:
        self._documents, self._clock, self._now, self._fresh_s = documents, clock, now, fresh_s
        self._erased: dict[str, dict[str, datetime]] = {}
        self._digest = lru_cache(REMEMBERED)(digest)
        self._read_from = datetime(1970, 1, 1, tzinfo=UTC)
        self._whole = False
        self._due = self._too_old = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def erased_at(self, retailer_id: str, shopper: str) -> datetime | None:
        erased = self._erased.get(retailer_id)
        # Only a retailer who ever erased anybody pays for the digest, and mostly once a visit.
        return erased.get(self._digest(retailer_id, shopper)) if erased else None

    def known(self) -> bool:
        now = self._clock()
        if now >= self._due and self._reading is None:
            self._begin()
        # An instance that nobody called has read nothing for a while: its first caller waits.
        return now < self._too_old

    async def fresh(self) -> None:
        if self._clock() >= self._due:
            # Whoever is cancelled while waiting must not cancel the read, for which others wait.
            await asyncio.shield(self._reading or self._begin())
        if not self._whole:
            raise Unavailable("suppressions were never read")

    def _begin(self) -> asyncio.Task[None]:
        self._reading = asyncio.get_running_loop().create_task(self._read())
        return self._reading

    async def _read(self) -> None:
        asked = self._now()
        try:
            await self._read_pages()
            self._whole, self._read_from = True, asked - OVERLAP
        except Exception as error:
            failure("suppressions could not be read; those known before are used", error, "WARNING")
        finally:
            self._reading = None
            now = self._clock()
            self._due = now + self._fresh_s
            self._too_old = now + self._fresh_s + READ_WITHIN_S if self._whole else float("-inf")

    async def _read_pages(self) -> None:
        """Keeps its place: the first read, of all there are, goes on where an earlier try broke off."""
        while True:
            async with asyncio.timeout(READ_WITHIN_S):
                page = await self._documents.later(SUPPRESSIONS, NOTED, self._read_from, PAGE)
            for document in page:
                self._take(document)
            if len(page) < PAGE or page[-1].data[NOTED] == self._read_from:
                return
            self._read_from = page[-1].data[NOTED]

    def _take(self, document: Document) -> None:
        retailer_id, _, name = document.id.partition(":")
        since = document.data.get("since")
        # A document without it says nothing; it must not keep the others from being heard.
        if isinstance(since, datetime):
            erased = self._erased.setdefault(retailer_id, {})
            until = last_erased(since)
            erased[name] = max(until, erased.get(name, until))
