"""A household's entries in a game: which document holds them, and how those of one shopper leave it.

The document does not say whose an entry is: a player's does, so that nobody who reads a household's learns of which
shoppers it consists. Whether one more entry may come in is no matter of this module (functions/rewards).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layers.stores.collections import HOUSEHOLDS
from layers.stores.firestore.port import Document, Documents

ATTEMPTS = 50


class Contended(Exception):
    """Others wrote the same document again and again; repeat."""


def household_id(retailer_id: str, game: str, household: str) -> str:
    return f"{retailer_id}:{game}:{household}"


async def joined(documents: Documents, player: Mapping[str, Any]) -> dict[str, tuple[Document, list[str]]]:
    """Documents in which a player's entries stand, by id, with the player's own."""
    claimed: dict[str, list[str]] = {}
    for entry, household in player.get("households", {}).items():
        claimed.setdefault(household_id(player["retailer"], player["game"], household), []).append(entry)
    found = {}
    for id, entries in sorted(claimed.items()):
        document = await documents.get(HOUSEHOLDS, id)
        own = [] if document is None else sorted(set(entries).intersection(document.data["entries"]))
        if document is not None and own:
            found[id] = document, own
    return found


async def leave(documents: Documents, player: Mapping[str, Any]) -> int:
    """A player's entries leave their households; a document without entries goes.

    Returns:
        Documents that they stood in.

    Raises:
        Contended: see there.
    """
    left: set[str] = set()
    for _ in range(ATTEMPTS):
        found = await joined(documents, player)
        if not found:
            return len(left)
        for id, (document, own) in found.items():
            stay = [entry for entry in document.data["entries"] if entry not in own]
            if stay:
                done = await documents.replace(HOUSEHOLDS, document, {**document.data, "entries": stay})
            else:
                done = await documents.remove(HOUSEHOLDS, document)
            if done:
                left.add(id)
    raise Contended
