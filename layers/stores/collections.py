"""The Firestore collections, said once: who writes them, and whether a shopper may stand in them. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Collection:
    """Attributes:
    document: how a document's id is made up.
    holds_shoppers: a pseudonym may stand in it, so erasure must have a step for it.
    """

    name: str
    meaning: str
    document: str
    holds_shoppers: bool = False
    database: str = "(default)"


TREES = Collection("trees", "Tree versions, immutable.", "<retailer>:<tree id>:<version>")
LIVE_TREES = Collection("live_trees", "Which tree version a retailer shows now.", "<retailer>")
FEED_FILES = Collection("feed_files", "What feeds took of each delivered object.", "<retailer>:<digest of object>")
QUARANTINE = Collection(
    "quarantine", "Messages and lines that no retry can mend: where they stood and why, never what.", "<digest>"
)
ERASURES = Collection("erasures", "Erasure requests, their progress and receipts.", "<erasure id>", holds_shoppers=True)
SUPPRESSIONS = Collection(
    "suppressions", "Shoppers erased, and since when.", "<retailer>:<digest of pseudonym>", holds_shoppers=True
)
PURGES = Collection("purges", "What each retention run removed.", "<scheduled time>")

COLLECTIONS = (TREES, LIVE_TREES, FEED_FILES, QUARANTINE, ERASURES, SUPPRESSIONS, PURGES)
