"""How far something of which there is too much for one run was gone through. A moment in one document."""

from __future__ import annotations

from datetime import datetime

from functions.budgets.room import Room
from layers.stores.collections import AUDITS


async def reached(room: Room, what: str, otherwise: datetime) -> datetime:
    known = await room.documents.get(AUDITS, what)
    found: datetime = known.data["until"] if known is not None else otherwise
    return found


async def reaches(room: Room, what: str, until: datetime) -> None:
    """Written when that is done: who is killed before does it again."""
    await room.documents.put(AUDITS, what, {"until": until})
