"""What the retailer is told: the state of a request, and the receipt at its end. Pure.

A receipt says only what was read: what was found, what is gone, what may still come back and until when. It holds no
customer id and no pseudonym.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from functions.consent_erasure.chain import FORMAT
from functions.consent_erasure.rules import COMPLETE, Kind, Step, progress_of, text_of
from layers.stores.collections import ERASURES
from layers.stores.lingering import (
    COMPACTION_DAYS,
    DOCUMENT_VERSIONS_HOURS,
    FAIL_SAFE_DAYS,
    JOB_RECORD_DAYS,
    QUERY_RESULTS_HOURS,
    TIME_TRAVEL_HOURS,
)
from layers.stores.topics import KEPT_DAYS

FINGERPRINTS = (
    "HMAC-SHA256 under the retailer's pseudonym key of this erasure's id and the customer id, 128 bits. Gondola can "
    "make it again for a customer id that the retailer names; nobody can get a customer id out of it."
)


@dataclass(frozen=True, slots=True)
class Residue:
    """What may still be somewhere, for so long after the last verification. `setting`: where that is said."""

    store: str
    hours: int
    what: str
    setting: str


_DAY = 24


def residual(databases: Iterable[str] = ("(default)",)) -> tuple[Residue, ...]:
    """Every window, as the stores are set up.

    Args:
        databases: of Firestore, that hold a step's collection.
    """
    return (
        Residue(
            "bigtable",
            COMPACTION_DAYS * _DAY,
            "Deleted rows answer no read at once; their bytes leave the disks when tables are compacted.",
            "Bigtable: garbage collection",
        ),
        Residue(
            "bigtable",
            _DAY,
            "An event that an entrance had let in before it heard of the suppression, and stored after the "
            "verification; the nightly sweep removes it.",
            "retention_purge",
        ),
        Residue(
            "bigquery",
            TIME_TRAVEL_HOURS,
            "Time travel: who may administer the dataset can read the tables as they were.",
            "BigQuery: time travel, as short as it can be set",
        ),
        Residue(
            "bigquery",
            TIME_TRAVEL_HOURS + FAIL_SAFE_DAYS * _DAY,
            "Fail-safe, which follows time travel: only Google can restore it, for an emergency.",
            "BigQuery: fail-safe",
        ),
        Residue(
            "bigquery results",
            QUERY_RESULTS_HOURS,
            "Results of queries that ran before, such as the night's estimates or a package of access: hidden tables "
            "that nobody but the function which asked can read.",
            "BigQuery: cached query results",
        ),
        Residue(
            "bigquery jobs",
            JOB_RECORD_DAYS * _DAY,
            "Records of statements and what they were bound with: digests of pseudonyms, as under `kept`, and "
            "digests of events' numbers. No statement names a customer id, a pseudonym or an event.",
            "BigQuery: job history",
        ),
        *(
            Residue(
                f"firestore {name}",
                DOCUMENT_VERSIONS_HOURS[name],
                "Earlier versions of documents: of a request's progress, of suppressions. None held a pseudonym."
                if name == "(default)"
                else "Earlier versions of documents: who may administer the database can read them as they were.",
                "Firestore: point-in-time recovery",
            )
            for name in sorted(set(databases))
        ),
        Residue(
            "pubsub",
            KEPT_DAYS * _DAY,
            "Messages of before, delivered or not, may hold the shopper's events until they expire; when one is "
            "delivered, it is refused.",
            "Pub/Sub: retention of topics and subscriptions",
        ),
        Residue(
            "pubsub dead letters",
            (KEPT_DAYS + 1) * _DAY,
            "A message of before that no function takes and that becomes a dead letter after the verification, or that "
            "somebody else had taken while these were read; the nightly sweep removes it, and one that is replayed "
            "before is refused.",
            "retention_purge",
        ),
    )


KEPT = {
    Kind.SUPPRESS: "a digest of each pseudonym and the time of the request, so that late events can be told",
    Kind.REQUEST: "this request: its reference, numbers and times",
    Kind.RECEIPT: "this receipt, with its fingerprints",
}

CHECKED = (
    "Its records have no place for a shopper, which the tests of this program hold; it was not searched for this "
    "request."
)

NOT_OURS = (
    "The retailer's own systems, and the files in its own bucket: what is delivered again from before is refused.",
    "Events of after the request: they are a new shopper's, on whatever terms that shopper agrees to.",
    "Backups: this program makes none of any store; one that an administrator made by hand is not known here.",
)


def status(id: str, document: Mapping[str, Any], steps: Sequence[Step], now: datetime) -> dict[str, Any]:
    """What `GET /v1/erasures/{id}` answers."""
    finished = document.get("finished")
    return {
        **links(id, document),
        "retailer": document["retailer"],
        "reference": document["reference"],
        "customers": document["customers"],
        "requested": text_of(document["requested"]),
        "due": text_of(document["due"]),
        "overdue": document["status"] != COMPLETE and now > document["due"],
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
    others: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The receipt of a request whose every step is clean.

    Args:
        kept_until: when the suppressions may go. others: the stores that hold no shopper, and what they hold.

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
        "due": text_of(document["due"]),
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
        "without_shoppers": [{"store": store, "holds": what, "why": CHECKED} for store, what in others],
        "residual": [
            {
                "store": each.store,
                "until": text_of(finished + timedelta(hours=each.hours)),
                "what": each.what,
                "setting": each.setting,
            }
            for each in residual(step.database for step in steps if step.database)
        ],
        "not_ours": list(NOT_OURS),
    }


def _until(step: Step, kept_until: datetime, finished: datetime) -> str:
    return text_of(kept_until if step.kind is Kind.SUPPRESS else finished + timedelta(days=ERASURES.days))


def _store(step: Step, document: Mapping[str, Any]) -> dict[str, Any]:
    progress = progress_of(document, step.store)
    times = {"started": progress.started, "finished": progress.finished, "verified": progress.verified}
    if step.keeps:
        # Its numbers count documents written, which would read as data of the shopper's.
        return {"store": step.store, **times}
    numbers = {"found": progress.found, "deleted": progress.deleted, "remaining": progress.remaining}
    jobs = {"jobs": list(progress.jobs), "verified_by": progress.verified_by} if progress.verified_by else {}
    return {"store": step.store, **numbers, **times, **jobs}
