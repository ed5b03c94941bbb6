"""What erasing means: which steps there are, how a request is known again, what each step's numbers say. Pure.

The steps come from the declarations of the stores, so a store that may hold a shopper and has no step is an error here,
at start and in the tests, rather than data left behind. Order: suppress first; then sources before what is made from
them, since state could be made anew from events that still stand.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from layers.events.envelope import CustomerId
from layers.events.refusal import UNREADABLE, describe, fields_of
from layers.facts import Table
from layers.privacy.suppression import digest, digest_prefix, digest_sql
from layers.stores.collections import (
    CONTACTS,
    ERASURES,
    HOUSEHOLDS,
    PLAYERS,
    PROMISES,
    RECEIPTS,
    SUPPRESSIONS,
    Collection,
)
from layers.stores.tables import ARRIVALS, EVENTS, SHOPPERS, HotTableSpec

ID = re.compile(r"^[0-9a-f]{32}$")
MAX_BODY_BYTES = 128 * 1024
MAX_CUSTOMERS = 1000
MAX_REFERENCE = 64
ROUNDS = 3
"""How often what verification still finds is erased again before the request is called incomplete."""

DEAD_LETTERS = "pubsub:dead-letters"
"""All of them as one store: `DeadLetters` is a need for whatever there are."""

RUNNING, INCOMPLETE, COMPLETE = "running", "incomplete", "complete"


class ErasureRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Attributes:
    reference: the retailer's own, by which it knows the request; never a customer id.
    """

    retailer: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]{1,19}$")]
    reference: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    customers: Annotated[list[CustomerId], Meta(min_length=1, max_length=MAX_CUSTOMERS)]


class InvalidRequest(ValueError):
    """The body is no request. The message names the place and the rule, never a value."""


_decoder = msgspec.json.Decoder(ErasureRequest)
_FIELDS = fields_of(ErasureRequest)


def read_request(body: bytes) -> ErasureRequest:
    """Raises:
    InvalidRequest: see there.
    """
    try:
        request = _decoder.decode(body)
    except UNREADABLE as error:
        path, rule = describe(error, _FIELDS)
        raise InvalidRequest(f"{rule} (at {path})") from None
    if request.reference in request.customers:
        raise InvalidRequest("the reference is one of the customer ids, and would be kept for years (at $.reference)")
    return msgspec.structs.replace(request, customers=sorted(set(request.customers)))


def erasure_id(retailer_id: str, reference: str) -> str:
    """The same retailer and reference are the same request, so repeating a request resumes it."""
    return sha256(f"{retailer_id}\n{reference}".encode()).hexdigest()[:32]


class Fingerprints:
    """Codes under the pseudonym key that are no pseudonyms: the label holds characters that no customer id has.

    Only who has the key *and* is told the customer id can make one again, so a receipt can be matched with a shopper
    whom the retailer names, and with nobody else. The erasure's id is in it, so two receipts cannot be joined.
    """

    def __init__(self, key: str, erasure: str) -> None:
        self._key, self._erasure = base64.b64decode(key), erasure

    def _code(self, label: str, text: str) -> str:
        return hmac.new(self._key, f"gondola/{label}/1\n{self._erasure}\n{text}".encode(), sha256).hexdigest()

    def of_customer(self, customer: str) -> str:
        """Stands in the receipt."""
        return self._code("erasure-receipt", customer)[:32]

    def of_request(self, customers: Sequence[str]) -> str:
        """Tells whether a repeated request names the same customers."""
        return self._code("erasure-request", "\n".join(customers))


class Kind(StrEnum):
    SUPPRESS = "suppress"
    EVENTS = "events"
    ARRIVALS = "arrivals"
    SHOPPER_ROWS = "shopper rows"
    PROMISES = "promises"
    FACTS = "facts"
    DEAD_LETTERS = "dead letters"
    HOUSEHOLDS = "households"
    PLAYERS = "players"
    CONTACTS = "contacts"
    REQUEST = "request"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class Step:
    """Attributes:
    store: `bigtable:<table>`, `bigquery:<table>`, `firestore:<collection>` or `pubsub:dead-letters`. table: of a
    step of facts. database: of a step of documents.
    """

    store: str
    kind: Kind
    table: Table | None = None
    database: str = ""

    @property
    def keeps(self) -> bool:
        """Its store keeps something on purpose, which says nothing about anybody without the key."""
        return self.kind in (Kind.SUPPRESS, Kind.REQUEST, Kind.RECEIPT)


class NoStep(LookupError):
    """A declared store may hold a shopper, and nothing here erases it."""


_HOT = {EVENTS: Kind.EVENTS, ARRIVALS: Kind.ARRIVALS, SHOPPERS: Kind.SHOPPER_ROWS}
# Households before players, by whom they are found; players before contacts: who plays no more leaves no address.
_DOCUMENTS = {
    SUPPRESSIONS: Kind.SUPPRESS,
    HOUSEHOLDS: Kind.HOUSEHOLDS,
    PLAYERS: Kind.PLAYERS,
    CONTACTS: Kind.CONTACTS,
    ERASURES: Kind.REQUEST,
    RECEIPTS: Kind.RECEIPT,
    PROMISES: Kind.PROMISES,
}
_ORDER = list(Kind)


def steps(hot: Iterable[HotTableSpec], tables: Iterable[Table], collections: Iterable[Collection]) -> tuple[Step, ...]:
    """One step for each declared store that may hold a shopper, in the order in which they run, and one for the dead
    letters, which hold whatever a function could not take.

    Raises:
        NoStep: a store without one.
    """
    found: list[Step] = []
    for spec in hot:
        if spec.holds_shoppers:
            found.append(Step(f"bigtable:{spec.name}", _kind(_HOT, spec.name, f"Bigtable table {spec.name}")))
    found += [Step(f"bigquery:{table.stored_as}", Kind.FACTS, table) for table in tables if table.holds_shoppers]
    found.append(Step(DEAD_LETTERS, Kind.DEAD_LETTERS))
    for collection in collections:
        if collection.holds_shoppers:
            what = f"Firestore collection {collection.name} of {collection.database}"
            kind = _kind(_DOCUMENTS, collection, what)
            found.append(Step(f"firestore:{collection.name}", kind, database=collection.database))
    return tuple(sorted(found, key=lambda step: _ORDER.index(step.kind)))


def others(
    hot: Iterable[HotTableSpec], tables: Iterable[Table], collections: Iterable[Collection]
) -> tuple[tuple[str, str], ...]:
    """The declared stores that need no step, and what each holds, so that a receipt leaves none out."""
    found = [(f"bigtable:{spec.name}", spec.row_key) for spec in hot if not spec.holds_shoppers]
    found += [(f"bigquery:{table.stored_as}", table.meaning) for table in tables if not table.holds_shoppers]
    found += [(f"firestore:{each.name}", each.meaning) for each in collections if not each.holds_shoppers]
    return tuple(found)


def _kind(known: Mapping[Any, Kind], store: Any, what: str) -> Kind:
    if store not in known:
        raise NoStep(
            f"{what} may hold a shopper and has no erasure step, so a receipt would be false; no erasure is run. "
            "Add the step in functions/consent_erasure (rules.py names it, erasers.py does it)."
        )
    return known[store]


_THEIRS = f"{digest_sql('shopper')} IN UNNEST(@shoppers)"


def count_sql(dataset: str, table: Table) -> str:
    """Args:
    dataset: `project.dataset`.
    """
    return f"SELECT COUNT(*) AS found FROM `{dataset}.{table.stored_as}` WHERE {_THEIRS}"


def delete_sql(dataset: str, table: Table) -> str:
    return f"DELETE FROM `{dataset}.{table.stored_as}` WHERE {_THEIRS}"


def binding(retailer_id: str, shoppers: Iterable[str]) -> dict[str, str | list[str]]:
    """What both are bound with: digests, which stand in the suppressions too."""
    return {
        "prefix": digest_prefix(retailer_id),
        "shoppers": [digest(retailer_id, shopper) for shopper in shoppers],
    }


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Progress(msgspec.Struct, frozen=True):
    """One step's numbers. `found = deleted + remaining` once it is verified.

    A run may be killed between a deletion and the record of it, so what was deleted is never only added up: what a
    count found before, less what a later count still finds, went.

    Attributes:
        jobs: those that deleted. verified_by: the one that read last. Only of stores that name their jobs.
    """

    found: int = 0
    deleted: int = 0
    remaining: int | None = None
    started: str | None = None
    finished: str | None = None
    verified: str | None = None
    jobs: tuple[str, ...] = ()
    verified_by: str | None = None

    def counted(self, number: int, at: datetime) -> Progress:
        """Before deleting."""
        return msgspec.structs.replace(
            self, found=max(self.found, self.deleted + number), started=self.started or text_of(at)
        )

    def removed(self, number: int, at: datetime, job: str | None = None) -> Progress:
        deleted = min(self.found, self.deleted + number)
        jobs = (*self.jobs, job) if job else self.jobs
        return msgspec.structs.replace(self, deleted=deleted, remaining=None, finished=text_of(at), jobs=jobs)

    def read_again(self, remaining: int, at: datetime, job: str | None = None) -> Progress:
        found = max(self.found, self.deleted + remaining)
        return msgspec.structs.replace(
            self,
            found=found,
            deleted=found - remaining,
            remaining=remaining,
            verified=text_of(at),
            verified_by=job,
        )

    @property
    def to_do(self) -> bool:
        return self.finished is None or bool(self.remaining)

    @property
    def clean(self) -> bool:
        return self.finished is not None and self.remaining == 0


def progress_of(document: Mapping[str, Any], store: str) -> Progress:
    """As the request's document holds it."""
    return msgspec.convert(document.get("stores", {}).get(store, {}), Progress)


def with_progress(document: Mapping[str, Any], store: str, progress: Progress) -> dict[str, Any]:
    stores = {**document.get("stores", {}), store: msgspec.to_builtins(progress)}
    return {**document, "stores": stores}
