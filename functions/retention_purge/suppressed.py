"""What of the erased came after their erasure, and goes: statements, and what was made of whom. Pure.

An erasure empties every store, and then every entrance refuses what is from before it. What was let in a moment too
early, restored from a backup or written by a function that read before, is found here, every night, by the same
suppressions: by a digest, since no document holds a pseudonym.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from layers.events.model import ConsentChanged
from layers.events.record import CorruptRecord, decode_record, milliseconds
from layers.facts import Table, moment_sql
from layers.privacy.suppression import DIGITS, digest, digest_prefix, digest_sql, last_erased
from layers.stores.bigtable.port import ShopperRow
from layers.stores.firestore.port import Document
from layers.tree.parameters import InvalidParameters, decode_parameters
from layers.tree.state import UnreadableState, decode_state

AT_ONCE = 20_000
"""Suppressions that one statement is bound with: 1 MB of text, where BigQuery takes 10 for a request."""


class Erased:
    """Who is erased of one retailer, by digest.

    Args:
        documents: of the collection `suppressions`.
    """

    def __init__(self, retailer_id: str, documents: Iterable[Document]) -> None:
        self._retailer_id = retailer_id
        self._until: dict[str, datetime] = {}
        for document in documents:
            owner, _, name = document.id.partition(":")
            since = document.data.get("since")
            if owner == retailer_id and len(name) == DIGITS and isinstance(since, datetime):
                self._until[name] = last_erased(since.astimezone(UTC))

    def __bool__(self) -> bool:
        return bool(self._until)

    def at(self, shopper: str) -> datetime | None:
        """The last moment of which everything is erased; None for a shopper who is not."""
        return self._until.get(digest(self._retailer_id, shopper))

    def bindings(self, most: int = AT_ONCE) -> Iterator[Mapping[str, str]]:
        """What `count_sql` and `delete_sql` are bound with, for some of them at a time."""
        each = [f"{name}{milliseconds(until)}" for name, until in sorted(self._until.items())]
        for first in range(0, len(each), most):
            yield {"prefix": digest_prefix(self._retailer_id), "erased": ",".join(each[first : first + most])}


def _where(dataset: str, table: Table) -> str:
    # A text of digests and times, as reconciliation's: an array of as many took the emulator fifty times as long.
    return (
        f"FROM `{dataset}.{table.stored_as}` AS t WHERE EXISTS (SELECT 1 FROM UNNEST(SPLIT(@erased, ',')) AS each"
        f" WHERE SUBSTR(each, 1, {DIGITS}) = {digest_sql('t.shopper')}"
        f" AND UNIX_MILLIS({moment_sql(table, 't.')}) <= CAST(SUBSTR(each, {DIGITS + 1}) AS INT64))"
    )


def count_sql(dataset: str, table: Table) -> str:
    return f"SELECT COUNT(*) AS found {_where(dataset, table)}"


def delete_sql(dataset: str, table: Table) -> str:
    return f"DELETE {_where(dataset, table)}"


def made_before(row: ShopperRow, erased: datetime, former: Sequence[bytes] = ()) -> tuple[bool, bool]:
    """Of a shopper's row, whether the profile (state and parameters) and whether the consent is of something erased.

    What cannot be read counts as such: a state is folded anew, and nobody could show that it is not.

    Args:
        former: older versions of the parameters.
    """
    every = [*former, *([] if row.parameters is None else [row.parameters])]
    profile = any(_parameters_before(each, erased) for each in every) or _state_before(row.state, erased)
    return profile, row.consent is not None and _consent_before(row.consent, erased)


def _parameters_before(parameters: bytes, erased: datetime) -> bool:
    try:
        return decode_parameters(parameters).computed_at <= erased
    except InvalidParameters:
        return True


def _state_before(state: bytes | None, erased: datetime) -> bool:
    if state is None:
        return False
    try:
        return decode_state(state).oldest_ms <= milliseconds(erased)
    except UnreadableState:
        return True


def _consent_before(consent: bytes, erased: datetime) -> bool:
    try:
        event = decode_record(consent).event
    except CorruptRecord:
        return True
    return not isinstance(event, ConsentChanged) or event.at <= erased
