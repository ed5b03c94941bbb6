"""What the retailer is told: the state of a request, and the receipt at its end. Pure.

A receipt says only what was read: what was found, what is gone, what may still come back and until when. It holds no
customer id and no pseudonym.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from functions.consent_erasure.rules import Kind, Step, progress_of, text_of
from layers.stores.collections import ERASURES

FORMAT = "gondola-erasure-receipt/1"

FINGERPRINTS = (
    "HMAC-SHA256 under the retailer's pseudonym key of this erasure's id and the customer id, 128 bits. Gondola can "
    "make it again for a customer id that the retailer names; nobody can get a customer id out of it."
)

RESIDUAL: tuple[tuple[str, int, str], ...] = (
    ("bigtable", 7, "Deleted rows answer no read at once; their bytes leave the disks when tables are compacted."),
    ("bigquery", 2, "Time travel: who may administer the dataset can read the tables as they were."),
    ("bigquery", 9, "Fail-safe, seven days after time travel: only Google can restore it, for an emergency."),
    (
        "pubsub",
        7,
        "Messages sent before and not delivered yet may hold the shopper's events. One that is delivered after the "
        "verification is stored again: ask again, with a new reference, after this date.",
    ),
    ("pubsub dead letters", 31, "Messages that no function could take; one that an operator replays is stored again."),
)
"""(store, days after the end, what may still be there). Sources: Bigtable «garbage collection», BigQuery «time travel
and fail-safe», Pub/Sub «message retention»; the datasets are made with two days of time travel, the subscriptions with
seven days of retention and those of dead letters with 31 (infra)."""

KEPT = {
    Kind.SUPPRESS: "a digest of each pseudonym and the time of the request, so that late events can be told",
    Kind.REQUEST: "this request: its reference, numbers and times, and the fingerprints of this receipt",
}

NOT_OURS = (
    "The retailer's own systems, and the files in its own bucket: orders delivered again are taken as new ones.",
    "Events that the retailer's pages or servers send after the request: they are taken as a new shopper's.",
)


def status(id: str, document: Mapping[str, Any], steps: Sequence[Step]) -> dict[str, Any]:
    """What `GET /v1/erasures/{id}` answers."""
    finished = document.get("finished")
    return {
        **links(id, document),
        "retailer": document["retailer"],
        "reference": document["reference"],
        "customers": document["customers"],
        "requested": text_of(document["requested"]),
        "finished": text_of(finished) if finished else None,
        "stores": [_store(step, document) for step in steps],
    }


def links(id: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """What `POST /v1/erasures` answers."""
    return {
        "id": id,
        "status": document["status"],
        "status_url": f"/v1/erasures/{id}",
        "receipt_url": f"/v1/erasures/{id}/receipt",
    }


def receipt(
    id: str,
    document: Mapping[str, Any],
    steps: Sequence[Step],
    fingerprints: Sequence[str],
    kept_until: datetime,
    finished: datetime,
) -> dict[str, Any]:
    """The receipt of a request whose every step is clean.

    Args:
        kept_until: when the suppressions may go.

    Raises:
        ValueError: a step is not clean; such a receipt would lie.
    """
    if any(not progress_of(document, step.store).clean for step in steps):
        raise ValueError("a store still holds what the receipt would call erased; no receipt is made")
    return {
        "format": FORMAT,
        "id": id,
        "retailer": document["retailer"],
        "reference": document["reference"],
        "requested": text_of(document["requested"]),
        "finished": text_of(finished),
        "customers": document["customers"],
        "fingerprints": sorted(fingerprints),
        "fingerprint_method": FINGERPRINTS,
        "stores": [_store(step, document) for step in steps if not step.keeps],
        "kept": [
            {"store": step.store, "what": KEPT[step.kind], "until": _until(step, kept_until, finished)}
            for step in steps
            if step.keeps
        ],
        "residual": [
            {"store": store, "until": text_of(finished + timedelta(days=days)), "what": what}
            for store, days, what in RESIDUAL
        ],
        "not_ours": list(NOT_OURS),
    }


def in_order(made: Any) -> Any:
    """A receipt as people read it: Firestore gives the names of a map back in any order."""
    if isinstance(made, Mapping):
        names = sorted(made, key=lambda name: (_RANK.get(name, len(_RANK)), name))
        return {name: in_order(made[name]) for name in names}
    return [in_order(item) for item in made] if isinstance(made, list) else made


_ORDER = (
    "format id retailer reference store what until found deleted remaining requested started finished verified "
    "customers fingerprints fingerprint_method stores kept residual not_ours"
)
_RANK = {name: rank for rank, name in enumerate(_ORDER.split())}


def _until(step: Step, kept_until: datetime, finished: datetime) -> str:
    return text_of(kept_until if step.kind is Kind.SUPPRESS else finished + timedelta(days=ERASURES.days))


def _store(step: Step, document: Mapping[str, Any]) -> dict[str, Any]:
    progress = progress_of(document, step.store)
    times = {"started": progress.started, "finished": progress.finished, "verified": progress.verified}
    if step.keeps:
        # Its numbers count documents written, which would read as data of the shopper's.
        return {"store": step.store, **times}
    numbers = {"found": progress.found, "deleted": progress.deleted, "remaining": progress.remaining}
    return {"store": step.store, **numbers, **times}
