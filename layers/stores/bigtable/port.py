"""What functions need of hot data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from layers.events.record import Record
from layers.retailers import Retailer


class HotEvent(msgspec.Struct, frozen=True, gc=False):
    """One event to store: its row key, its family, its time in whole ms, its record line.

    A struct, since there is one an event: a frozen dataclass takes five times as long to make.
    """

    key: bytes
    family: str
    at_ms: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one group commit brought one retailer.

    Attributes:
        at: when it arrived, by the clock of the instance that took it. keys: row keys of its events, as in `events`.
    """

    retailer_id: str
    at: datetime
    keys: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """The record line of a `ConsentChanged`, and whose it is. `at_ms` is the event's own time."""

    retailer_id: str
    shopper: str
    at_ms: int
    line: bytes


@dataclass(frozen=True, slots=True)
class ShopperRow:
    """Attributes:
    parameters: as scoring wrote them, JSON. state: as decisioning wrote it, JSON. consent: newest `ConsentChanged`
        record line by the event's time. Each None where there is none.
    """

    parameters: bytes | None = None
    state: bytes | None = None
    consent: bytes | None = None


class Unavailable(Exception):
    """Bigtable cannot take or give it now; the caller may repeat."""


class HotEvents(Protocol):
    async def write(self, events: Sequence[HotEvent]) -> list[bool]:
        """Stores them; for each, whether it is durable. Never raises for a part: a refused row is False.

        Raises:
            Unavailable: nothing is known to be durable.
        """

    async def newest_first(
        self, retailer: Retailer, shopper: str, *, now: datetime, not_before: datetime | None = None, limit: int = 1000
    ) -> list[Record]:
        """A shopper's events, newest first. Nothing beyond the contract, which the reader enforces: garbage
        collection is lazy.

        Args:
            now: from which the contract's days are counted back.
            not_before: only events at this time or later.
        """

    async def consents(self, retailer: Retailer, shopper: str, *, now: datetime) -> list[Record]:
        """A shopper's newest 1 000 changes of consent, newest first; nothing beyond the contract, as above. Reads over
        all of the shopper's events, so it is for the rare reader that the shopper's row does not tell enough.
        """

    async def lines(self, retailer: Retailer, keys: Sequence[bytes], *, now: datetime) -> dict[bytes, bytes]:
        """Record lines by key, of those keys that have a row still. Nothing beyond the contract, as above."""

    def history(self, retailer: Retailer, shopper: str, *, now: datetime) -> AsyncIterator[list[bytes]]:
        """Record lines of all of a shopper's events, newest first, some at a time: whoever reads slowly holds up no
        call. Nothing beyond the contract, as above.
        """

    async def count_shopper(self, retailer_id: str, shopper: str) -> int:
        """How many rows a shopper has, those beyond the contract included: erasure must see what readers do not."""

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        """Deletes every event of a shopper; how many rows there were."""

    def keys(self, retailer_id: str, family: str | None = None, before: datetime | None = None) -> AsyncIterator[bytes]:
        """Row keys of a retailer in their order, those with a cell of `family` older than `before`. Rows may be deleted
        while it is read.
        """

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Deletes whole rows."""


class Arrivals(Protocol):
    """The journal of what arrived when, by which stored is compared with cooled: a table of events sorted by shopper
    cannot say what is new in it. A minute is its finest time. It may name an event that was never stored.
    """

    async def note(self, arrivals: Sequence[Arrival]) -> None:
        """Durable when it returns. Noting again is harmless: a reader counts each key once.

        Raises:
            Unavailable: some are not known to be noted, so their events must not be acknowledged.
        """

    def between(self, retailer_id: str, start: datetime, end: datetime) -> AsyncIterator[list[bytes]]:
        """Row keys of the events that arrived from the minute of `start` up to, not including, the minute of `end`, one
        list for each row of the journal.
        """

    def of_shopper(self, retailer_id: str, shopper: str) -> AsyncIterator[tuple[datetime, list[bytes]]]:
        """(minute of arrival, row keys of events) of each row that names the shopper. One pass, as below."""

    async def count_shoppers(self, retailer_id: str, shoppers: Sequence[str]) -> int:
        """How many places of the journal name one of these shoppers. One pass over the retailer's rows, which are in no
        shopper's order, so ask for all shoppers at once.
        """

    async def delete_shoppers(self, retailer_id: str, shoppers: Sequence[str]) -> int:
        """Deletes every place that names one of them; how many there were. What the rows name beside them stays."""

    async def delete_named(
        self, retailer_id: str, start: datetime, end: datetime, goes: Callable[[bytes], bool]
    ) -> int:
        """Deletes the names of those events of which `goes` says so, by row key, from the minutes that `between` reads;
        how many there were. What a place names beside them stays; a place that is deleted meanwhile stays deleted.
        """

    def keys(self, retailer_id: str, before: datetime | None = None) -> AsyncIterator[bytes]:
        """Row keys of the journal in their order, those from before the minute of `before`. Rows may be deleted while
        it is read.
        """

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Deletes whole rows."""


class ShopperRows(Protocol):
    async def read(self, retailer_id: str, shopper: str) -> ShopperRow: ...

    async def former_parameters(self, retailer_id: str, shopper: str) -> list[bytes]:
        """Those before the newest that garbage collection has left, newest first; no decision reads them."""

    async def swap_state(self, retailer_id: str, shopper: str, known: bytes | None, state: bytes) -> bool:
        """Writes the state if it still is `known` (None: if there is none); else False and nothing is written."""

    async def write_consent(self, retailer_id: str, shopper: str, at_ms: int, line: bytes) -> None:
        """Under the event's own time, so that the newest by time wins in whatever order they come. Of two in the same
        millisecond the one written last stays."""

    async def write_consents(self, consents: Sequence[ConsentLine]) -> list[bool]:
        """`write_consent` of many shoppers in one call; for each, whether it is durable.

        Raises:
            Unavailable: nothing is known to be durable.
        """

    async def write_parameters(
        self, retailer_id: str, rows: Sequence[tuple[str, bytes]], at_ms: int, digests: Sequence[bytes] = ()
    ) -> None:
        """(pseudonym, parameters) of many shoppers, under the version's time: the newest by time is read.

        Args:
            digests: of what each holds; without, `parameter_digests` tells of none.
        """

    def parameter_digests(
        self, retailer_id: str, ranges: Sequence[tuple[str, str]]
    ) -> AsyncIterator[tuple[str, int, bytes]]:
        """(pseudonym, time in ms, digest) of the newest parameters of every shopper who has some, in these ranges of
        pseudonyms, each from and up to but not including; the parameters themselves do not travel. The digest is empty
        where they were written without one. One range holds no part of another.
        """

    async def delete_parameters(self, retailer_id: str, shoppers: Sequence[str], from_ms: int, before_ms: int) -> None:
        """Deletes those versions of their parameters whose time is `from_ms` or later and before `before_ms`."""

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        """Deletes the row; 1 if there was one, else 0."""

    async def delete_profiles(self, retailer_id: str, shoppers: Sequence[str]) -> None:
        """Deletes parameters and state; the consent stays."""

    def keys(self, retailer_id: str) -> AsyncIterator[bytes]:
        """Row keys of a retailer in their order. Rows may be deleted while it is read."""

    async def delete(self, keys: Sequence[bytes]) -> None:
        """Deletes whole rows."""
