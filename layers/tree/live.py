"""What a retailer shows now: written to Firestore, read by the functions, kept for a second.

A version is written, immutable, before the programme that names it, so a reader never sees half of a change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from layers.campaigns.withheld import withheld_at
from layers.shell.log import failure
from layers.stores.collections import LIVE_TREES, TREES, WITHHELD
from layers.stores.firestore.port import Documents
from layers.tree import programme as programmes
from layers.tree.programme import Aired, Programme
from layers.tree.reading import read_json, write_json
from layers.tree.tree import Tree

FRESH_S = 1.0
"""How long a tree is shown after another one was published, or all were stopped. A read a second and instance is about
0.05 dollars a day; until 2026-11-22 it was five seconds, and a stop took as long."""

ABSENT_S = 0.5
"""How long none is shown after a retailer's first one was published: functions start, and look for it, before that."""


@dataclass(frozen=True, slots=True)
class Live:
    """Attributes:
    tree: of journeys that begin now. off: nobody is personalised; the tree says what the default is.
    finishing: of journeys that began before `since_ms`; None where all go on in `tree`.
    withheld: campaigns of which nothing is shown, whatever parameters hold.
    """

    tree: Tree
    off: bool = False
    finishing: Tree | None = None
    since_ms: int = 0
    withheld: frozenset[str] = frozenset()


class TreeUnavailable(Exception):
    """The live tree cannot be read now, and none was read before; the caller may repeat."""


class LiveTrees(Protocol):
    async def of(self, retailer_id: str) -> Live | None:
        """What the retailer shows, None while nothing was ever published.

        Raises:
            TreeUnavailable: not readable, and not kept from before.
        """

    def last(self, retailer_id: str) -> Live | None:
        """What was read last, however long ago, without asking anybody."""


@dataclass(slots=True)
class _Kept:
    """`refused` is the error of the last reading, while there was never a good one."""

    live: Live | None = None
    until: float = float("-inf")
    known: bool = False
    refused: str = ""


class PublishedTrees:
    """Args:
    clock: monotonic seconds, e.g. `time.monotonic`. now: says what is to come and what is there.
    """

    def __init__(
        self,
        documents: Documents,
        clock: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        fresh_s: float = FRESH_S,
    ) -> None:
        self._documents, self._clock, self._now, self._fresh_s = documents, clock, now, fresh_s
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, retailer_id: str) -> Live | None:
        kept = self._kept.setdefault(retailer_id, _Kept())
        if self._clock() < kept.until:
            return _given(kept)
        lock = self._locks.setdefault(retailer_id, asyncio.Lock())
        if kept.live is not None and lock.locked() and self._clock() < kept.until + self._fresh_s:
            # Somebody is reading it anew: the one of a moment ago will do. None of a moment ago won't, nor will what an
            # instance read before it stood idle: pages of 2026-11-22 showed a tree from before a publication.
            return kept.live
        async with lock:
            if self._clock() >= kept.until:
                await self._read(retailer_id, kept)
        return _given(kept)

    def last(self, retailer_id: str) -> Live | None:
        kept = self._kept.get(retailer_id)
        return kept.live if kept is not None else None

    async def _read(self, retailer_id: str, kept: _Kept) -> None:
        try:
            kept.live = await self._published(retailer_id, kept.live)
            kept.known, kept.refused = True, ""
        except Exception as error:
            # Whatever the document store throws, a tree of a moment ago is better than none.
            failure("the live tree could not be read", error)
            if not kept.known:
                # Remembered for a moment: those who waited meanwhile need not each wait for the same answer again.
                kept.refused = type(error).__name__
        kept.until = self._clock() + (ABSENT_S if kept.live is None else self._fresh_s)

    async def _published(self, retailer_id: str, before: Live | None) -> Live | None:
        document, held = await asyncio.gather(
            self._documents.get(LIVE_TREES, retailer_id), self._documents.get(WITHHELD, retailer_id)
        )
        programme = programmes.read(retailer_id, document.data if document is not None else None)
        now = self._now()
        current = programme.now(now)
        if current is None:
            return None
        earlier = programme.now_before(current) if current.running == "finish" else None
        known = [tree for tree in (before.tree, before.finishing) if tree is not None] if before is not None else []
        tree = await self._tree(retailer_id, current, known)
        finishing = await self._tree(retailer_id, earlier, known) if earlier is not None else None
        since_ms = int(current.since.timestamp() * 1000) if finishing else 0
        withheld = withheld_at(held.data if held is not None else None, now)
        live = Live(tree, programme.off, finishing, since_ms, withheld)
        return before if live == before else live

    async def _tree(self, retailer_id: str, one: Aired, known: list[Tree]) -> Tree:
        for tree in known:
            if (tree.id, tree.version) == (one.tree, one.version):
                return tree
        document = await self._documents.get(TREES, f"{retailer_id}:{one.tree}:{one.version}")
        if document is None:
            raise LookupError("live_trees names a version that trees does not have; publish the tree again")
        return read_json(str(document.data["definition"]))


def _given(kept: _Kept) -> Live | None:
    if kept.refused:
        raise TreeUnavailable(kept.refused)
    return kept.live


async def keep_version(documents: Documents, retailer_id: str, tree: Tree, source: str) -> None:
    """Writes a version, for good. Repeating it changes nothing.

    Args:
        source: the file as it was written, kept for people beside the version.
    """
    version = {
        "retailer": retailer_id,
        "tree": tree.id,
        "version": tree.version,
        "definition": write_json(tree),
        "source": source,
    }
    await documents.create(TREES, f"{retailer_id}:{tree.id}:{tree.version}", version)


async def change(
    documents: Documents, retailer_id: str, changed: Callable[[Programme], Programme]
) -> tuple[Programme, bool]:
    """Changes what a retailer shows; two at once each see what the other did.

    Returns:
        The programme, and whether anything changed.

    Raises:
        Refused: by `changed`.
    """
    while True:
        document = await documents.get(LIVE_TREES, retailer_id)
        before = programmes.read(retailer_id, document.data if document is not None else None)
        after = changed(before)
        if after == before:
            return before, False
        data = programmes.written(after)
        done = (
            await documents.create(LIVE_TREES, retailer_id, data)
            if document is None
            else await documents.replace(LIVE_TREES, document, data)
        )
        if done:
            return after, True


async def publish(documents: Documents, retailer_id: str, tree: Tree, source: str, who: str = "a program") -> bool:
    """Makes `tree` the retailer's live one, for running journeys too. Repeating it changes nothing.

    Returns:
        Whether it was not live before.
    """
    await keep_version(documents, retailer_id, tree, source)
    at = datetime.now(UTC)
    _, new = await change(
        documents,
        retailer_id,
        lambda programme: programmes.publish(programme, tree.id, tree.version, at, who, "migrate"),
    )
    return new
