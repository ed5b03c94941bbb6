"""What is remembered of a message or a line that no retry can mend: where it stood and why, never what it said. Pure.

The documents lie in the collection `quarantine`; every function that sets something aside writes them alike, so that
one look finds all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any


def quarantined(
    source: str, retailer_id: str, place: Mapping[str, str], line: int, reason: str, now: datetime
) -> tuple[str, dict[str, Any]]:
    """A document's id and data. The same line gives the same id however often it is met, so create it and be done.

    Args:
        source: who set it aside: a function or a subscription. retailer_id: empty where nobody's.
        place: what the line is part of, e.g. `{"message": id}` or `{"file": key, "version": etag}`.
        line: from 1; 0 for the whole of it. reason: a rule, without any value.
    """
    identity = " ".join((source, retailer_id, *place.values(), str(line), reason))
    data = {"source": source, "retailer": retailer_id, **place, "line": line, "reason": reason, "at": now}
    return f"{source}-{sha256(identity.encode()).hexdigest()[:32]}", data
