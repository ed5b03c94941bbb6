"""Which documents have outlived their delay, and their removal: the same in every database.

The delays themselves stand in the collections' declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from layers.retailers import Retailer
from layers.stores.collections import Collection
from layers.stores.firestore.port import Documents


class Ended(NamedTuple):
    """What became of a collection: documents that went, that stay, that stay though they are older than their delay,
    and of which nobody can say how old they are."""

    removed: int
    kept: int
    expired: int
    undated: int


def has_ended(collection: Collection, data: Mapping[str, Any], retailer: Retailer | None, now: datetime) -> bool | None:
    """Whether a document's delay is over; None where nobody can say: it has no date, or a retailer that is not known
    here.
    """
    since = data.get(collection.dated)
    if not isinstance(since, datetime):
        return None
    if not collection.contract:
        return since < now - timedelta(days=collection.days)
    return None if retailer is None else since < whole(now - timedelta(days=collection.delay_days(retailer)))


def whole(moment: datetime) -> datetime:
    """In whole milliseconds, since no store of events keeps a finer time."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def purge(
    documents: Documents, collection: Collection, retailers: Mapping[str, Retailer], now: datetime, dry_run: bool
) -> Ended:
    """Each document on its own, so that a run which is killed has done what it has done.

    Args:
        retailers: by id.
    """
    removed = kept = undated = 0
    for document in await documents.find(collection):
        ended = has_ended(collection, document.data, retailers.get(document.data.get("retailer", "")), now)
        if ended:
            removed += 1
            if not dry_run:
                await documents.delete(collection, document.id)
        else:
            kept += 1
            undated += ended is None
    if dry_run:
        return Ended(removed, kept, removed, undated)
    left = [
        has_ended(collection, each.data, retailers.get(each.data.get("retailer", "")), now) is True
        for each in await documents.find(collection)
    ]
    return Ended(removed, kept, sum(left), undated)
