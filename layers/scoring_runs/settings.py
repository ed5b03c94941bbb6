"""What a run's offers are worked out from, kept once for all of its shards. The text is `layers.offers.written`'s.

A text is named by its digest and kept whole before a plan names it: of two that plan the same run at once, the plan
that stays names its own. No shopper stands in it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from hashlib import blake2b

from layers.scoring_runs.messages import name_of
from layers.stores.collections import SCORING_SETTINGS
from layers.stores.firestore.port import Documents

PART = 250_000
"""Characters of a document, of at most four bytes each: Firestore takes 1 MiB."""


def name_of_text(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()


async def keep(documents: Documents, retailer_id: str, run: datetime, text: str, now: datetime) -> str:
    """Its name. Repeating it changes nothing."""
    name = name_of_text(text)
    parts = [text[place : place + PART] for place in range(0, len(text), PART)] or [""]
    for number, part in enumerate(parts):
        await documents.create(
            SCORING_SETTINGS,
            _id(retailer_id, run, name, number),
            {"retailer": retailer_id, "run": run, "planned": now, "part": number, "parts": len(parts), "text": part},
        )
    return name


async def read(documents: Documents, retailer_id: str, run: datetime, name: str) -> str | None:
    """None where it is not whole: purged, or of a plan that was killed."""
    first = await documents.get(SCORING_SETTINGS, _id(retailer_id, run, name, 0))
    if first is None:
        return None
    others = [_id(retailer_id, run, name, number) for number in range(1, int(first.data["parts"]))]
    found = [first, *await asyncio.gather(*(documents.get(SCORING_SETTINGS, other) for other in others))]
    texts = [part.data["text"] for part in found if part is not None]
    return "".join(texts) if len(texts) == len(found) else None


def _id(retailer_id: str, run: datetime, name: str, number: int) -> str:
    return f"{retailer_id}:{name_of(run)}:{name}:{number}"
