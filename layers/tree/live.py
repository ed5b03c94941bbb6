"""The tree that a retailer shows now: published to Firestore, read by the functions, kept for a few seconds.

Publishing writes an immutable version first and points to it second, so a reader never sees half of a change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from layers.shell.log import failure
from layers.stores.collections import LIVE_TREES, TREES
from layers.stores.firestore.port import Documents
from layers.tree.reading import read_json, write_json
from layers.tree.tree import Tree

FRESH_S = 5.0
"""How long a tree is shown after another one was published."""

ABSENT_S = 0.5
"""How long none is shown after a retailer's first one was published: functions start, and look for it, before that."""


class TreeUnavailable(Exception):
    """The live tree cannot be read now, and none was read before; the caller may repeat."""


class LiveTrees(Protocol):
    async def of(self, retailer_id: str) -> Tree | None:
        """The retailer's live tree, None while none is published.

        Raises:
            TreeUnavailable: not readable, and not kept from before.
        """


@dataclass(slots=True)
class _Kept:
    """`refused` is the error of the last reading, while there was never a good one."""

    tree: Tree | None = None
    until: float = float("-inf")
    known: bool = False
    refused: str = ""


class PublishedTrees:
    """Args:
    clock: monotonic seconds, e.g. `time.monotonic`.
    """

    def __init__(self, documents: Documents, clock: Callable[[], float], fresh_s: float = FRESH_S) -> None:
        self._documents, self._clock, self._fresh_s = documents, clock, fresh_s
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, retailer_id: str) -> Tree | None:
        kept = self._kept.setdefault(retailer_id, _Kept())
        if self._clock() < kept.until:
            return _given(kept)
        lock = self._locks.setdefault(retailer_id, asyncio.Lock())
        if kept.tree is not None and lock.locked():
            return (
                kept.tree
            )  # Somebody is reading it anew: the one of a moment ago will do. None of a moment ago won't.
        async with lock:
            if self._clock() >= kept.until:
                await self._read(retailer_id, kept)
        return _given(kept)

    async def _read(self, retailer_id: str, kept: _Kept) -> None:
        try:
            kept.tree = await self._published(retailer_id, kept.tree)
            kept.known, kept.refused = True, ""
        except Exception as error:
            # Whatever the document store throws, a tree of a few seconds ago is better than none.
            failure("the live tree could not be read", error)
            if not kept.known:
                # Remembered for a moment: those who waited meanwhile need not each wait for the same answer again.
                kept.refused = type(error).__name__
        kept.until = self._clock() + (ABSENT_S if kept.tree is None else self._fresh_s)

    async def _published(self, retailer_id: str, before: Tree | None) -> Tree | None:
        live = await self._documents.get(LIVE_TREES, retailer_id)
        if live is None:
            return None
        tree_id, version = str(live.data["tree"]), str(live.data["version"])
        if before is not None and (before.id, before.version) == (tree_id, version):
            return before
        document = await self._documents.get(TREES, f"{retailer_id}:{tree_id}:{version}")
        if document is None:
            raise LookupError("live_trees names a version that trees does not have; publish the tree again")
        return read_json(str(document.data["definition"]))


def _given(kept: _Kept) -> Tree | None:
    if kept.refused:
        raise TreeUnavailable(kept.refused)
    return kept.tree


async def publish(documents: Documents, retailer_id: str, tree: Tree, source: str) -> bool:
    """Makes `tree` the retailer's live one. Repeating it changes nothing.

    Args:
        source: the file as it was written, kept for people beside the version.

    Returns:
        Whether it was not live before.
    """
    version = {
        "retailer": retailer_id,
        "tree": tree.id,
        "version": tree.version,
        "definition": write_json(tree),
        "source": source,
    }
    await documents.create(TREES, f"{retailer_id}:{tree.id}:{tree.version}", version)
    pointer = {"retailer": retailer_id, "tree": tree.id, "version": tree.version}
    live = await documents.get(LIVE_TREES, retailer_id)
    if live is not None and live.data == pointer:
        return False
    await documents.put(LIVE_TREES, retailer_id, pointer)
    return True
