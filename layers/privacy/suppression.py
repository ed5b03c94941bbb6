"""What suppresses an erased shopper: the document's name, and which moments it covers. Pure.

Does not own who writes the documents (functions/consent_erasure) nor who keeps them in memory (layers.stores).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

REFUSED = "before the shopper's erasure, and never taken again; leave the event out"
"""What the front door says of such an event. It names nobody."""

DIGITS = 32
"""Of a digest: 128 bits."""

ErasedAt = Callable[[str], datetime | None]
"""From a pseudonym to the last moment of which everything is erased; None for a shopper who is not."""


def nobody(shopper: str) -> None:
    """An `ErasedAt` of a stack in which nobody is erased."""


def remembered(erased_at: ErasedAt) -> ErasedAt:
    """For one piece of work: each shopper is asked about once, since a message holds many events of each."""
    return lru_cache(maxsize=None)(erased_at)


def latest(moments: Iterable[datetime | None]) -> datetime | None:
    """Of a customer's several pseudonyms: what is erased of one is erased of all."""
    return max((moment for moment in moments if moment is not None), default=None)


def suppression_id(retailer_id: str, shopper: str) -> str:
    """The document that says since when a shopper is erased.

    A plain digest is enough: what goes in is a code of 128 bits under the retailer's key, so there is no list of
    customer ids to try. It needs no key, so that functions which see only pseudonyms can ask for it.
    """
    return f"{retailer_id}:{digest(retailer_id, shopper)}"


def digest(retailer_id: str, shopper: str) -> str:
    """The second half of the document's name."""
    state = _prefixed(retailer_id).copy()
    state.update(shopper.encode())
    name: str = state.hexdigest()
    return name[:DIGITS]


@cache
def _prefixed(retailer_id: str) -> Any:
    # To go on from the prefix costs 0.3 us, to hash both 0.46, and an event's request pays it.
    return sha256(digest_prefix(retailer_id).encode())


def digest_sql(column: str) -> str:
    """The same in BigQuery, of a column of pseudonyms; the parameter `prefix` is `digest_prefix`.

    BigQuery keeps each statement's parameters for half a year (`layers.stores.lingering`), out of reach of any erasure:
    so no statement names a pseudonym.
    """
    return f"SUBSTR(TO_HEX(SHA256(CONCAT(@prefix, {column}))), 1, {DIGITS})"


def digest_prefix(retailer_id: str) -> str:
    """What is hashed before the pseudonym; for who must say it in SQL."""
    return f"gondola/suppression/1\n{retailer_id}\n"


def last_erased(since: datetime) -> datetime:
    """The last moment that a suppression covers: the end of its millisecond.

    A row's key holds whole milliseconds. So an event that is taken, and the key that it is stored under, always lie on
    the same side.
    """
    return since.replace(microsecond=since.microsecond // 1000 * 1000 + 999)
