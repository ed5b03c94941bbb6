"""Hot data in memory, for tests of handlers. Passes the same contract suite as Bigtable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from layers.events.model import ConsentChanged
from layers.events.record import Record, decode_record, milliseconds, row_prefix
from layers.retailers import Retailer
from layers.stores.bigtable.arrivals import RowNames, columns_of, keys_of, minute_key, read_minute
from layers.stores.bigtable.events import MOST_CONSENTS, kept_still, newest_range, within_contract
from layers.stores.bigtable.port import Arrival, ConsentLine, HotEvent, ShopperRow, Unavailable
from layers.stores.bigtable.shoppers import shopper_key


class FakeHotEvents:
    """Attributes:
    down: while True every call raises Unavailable.
    refuses: of a stored event, whether the table refuses that row.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, HotEvent] = {}
        self.down = False
        self.refuses: Callable[[HotEvent], bool] = lambda _: False

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("the fake is down")

    async def write(self, events: Sequence[HotEvent]) -> list[bool]:
        self._reach()
        done = [not self.refuses(event) for event in events]
        self.rows.update({event.key: event for event, kept in zip(events, done, strict=True) if kept})
        return done

    async def newest_first(
        self, retailer: Retailer, shopper: str, *, now: datetime, not_before: datetime | None = None, limit: int = 1000
    ) -> list[Record]:
        self._reach()
        start, end = newest_range(retailer.id, shopper, not_before)
        lines = [event.line for key, event in sorted(self.rows.items()) if start <= key < end][:limit]
        return [record for record in map(decode_record, lines) if within_contract(record, retailer, now)]

    async def history(self, retailer: Retailer, shopper: str, *, now: datetime) -> AsyncIterator[list[bytes]]:
        for key in sorted(self._of_shopper(retailer.id, shopper)):
            self._reach()
            event = self.rows[key]
            if kept_still(event.family, event.at_ms, retailer, now):
                yield [event.line]

    async def consents(self, retailer: Retailer, shopper: str, *, now: datetime) -> list[Record]:
        found = await self.newest_first(retailer, shopper, now=now, limit=2**31)
        return [record for record in found if isinstance(record.event, ConsentChanged)][:MOST_CONSENTS]

    async def lines(self, retailer: Retailer, keys: Sequence[bytes], *, now: datetime) -> dict[bytes, bytes]:
        self._reach()
        found = {key: self.rows[key] for key in keys if key in self.rows}
        return {key: event.line for key, event in found.items() if kept_still(event.family, event.at_ms, retailer, now)}

    def _of_shopper(self, retailer_id: str, shopper: str) -> list[bytes]:
        self._reach()
        prefix = row_prefix(retailer_id, shopper).encode()
        return [key for key in self.rows if key.startswith(prefix)]

    async def count_shopper(self, retailer_id: str, shopper: str) -> int:
        return len(self._of_shopper(retailer_id, shopper))

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        keys = self._of_shopper(retailer_id, shopper)
        await self.delete(keys)
        return len(keys)

    async def keys(
        self, retailer_id: str, family: str | None = None, before: datetime | None = None
    ) -> AsyncIterator[bytes]:
        self._reach()
        for key, event in sorted(self.rows.items()):
            if (
                key.startswith(f"{retailer_id}#".encode())
                and family in (None, event.family)
                and (before is None or event.at_ms < milliseconds(before))
            ):
                yield key

    async def delete(self, keys: Sequence[bytes]) -> None:
        self._reach()
        for key in keys:
            self.rows.pop(key, None)


class FakeArrivals:
    """Attributes:
    rows: what stands in each column, by row key. down: while True every call raises Unavailable.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, dict[bytes, bytes]] = {}
        self.down = False
        self._names = RowNames()

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("the fake is down")

    async def note(self, arrivals: Sequence[Arrival]) -> None:
        self._reach()
        self.rows.update({key: columns for key, _, columns in self._names.rows(arrivals)})

    async def between(self, retailer_id: str, start: datetime, end: datetime) -> AsyncIterator[list[bytes]]:
        self._reach()
        first, last = minute_key(retailer_id, start), minute_key(retailer_id, end)
        for key, columns in sorted(self.rows.items()):
            if first <= key < last:
                yield keys_of(retailer_id, sorted(columns.items()))

    async def of_shopper(self, retailer_id: str, shopper: str) -> AsyncIterator[tuple[datetime, list[bytes]]]:
        for key, column in sorted(self._places(retailer_id, [shopper])):
            yield read_minute(key), keys_of(retailer_id, [(column, self.rows[key][column])])

    def _places(self, retailer_id: str, shoppers: Sequence[str]) -> list[tuple[bytes, bytes]]:
        self._reach()
        prefix = f"{retailer_id}#".encode()
        return [
            (key, shopper.encode())
            for key, columns in self.rows.items()
            for shopper in shoppers
            if key.startswith(prefix) and shopper.encode() in columns
        ]

    async def count_shoppers(self, retailer_id: str, shoppers: Sequence[str]) -> int:
        return len(self._places(retailer_id, shoppers))

    async def delete_shoppers(self, retailer_id: str, shoppers: Sequence[str]) -> int:
        places = self._places(retailer_id, shoppers)
        for key, shopper in places:
            del self.rows[key][shopper]
            if not self.rows[key]:
                del self.rows[key]
        return len(places)

    async def delete_named(
        self, retailer_id: str, start: datetime, end: datetime, goes: Callable[[bytes], bool]
    ) -> int:
        self._reach()
        first, last = minute_key(retailer_id, start), minute_key(retailer_id, end)
        deleted = 0
        for row, columns in [each for each in sorted(self.rows.items()) if first <= each[0] < last]:
            keys = keys_of(retailer_id, columns.items())
            stay = columns_of([key for key in keys if not goes(key)])
            # A place that was deleted meanwhile is not made again.
            still = {shopper: stay[shopper] for shopper in self.rows.pop(row, {}) if shopper in stay}
            deleted += len(keys) - sum(value.count(b"\n") + 1 for value in stay.values())
            if still:
                self.rows[row] = still
        return deleted

    async def keys(self, retailer_id: str, before: datetime | None = None) -> AsyncIterator[bytes]:
        self._reach()
        for key in sorted(self.rows):
            if key.startswith(f"{retailer_id}#".encode()) and (before is None or key < minute_key(retailer_id, before)):
                yield key

    async def delete(self, keys: Sequence[bytes]) -> None:
        self._reach()
        for key in keys:
            self.rows.pop(key, None)


@dataclass(slots=True)
class _Row:
    """`versions` are those of the parameters and their digests, by time."""

    versions: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    state: bytes | None = None
    consent: tuple[int, bytes] | None = None

    @property
    def parameters(self) -> list[bytes]:
        """Newest first."""
        return [self.versions[at_ms][0] for at_ms in sorted(self.versions, reverse=True)]


class FakeShopperRows:
    """Attributes:
    down: while True every call raises Unavailable.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, _Row] = {}
        self.down = False

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("the fake is down")

    def _row(self, retailer_id: str, shopper: str) -> _Row:
        self._reach()
        return self.rows.setdefault(shopper_key(retailer_id, shopper), _Row())

    async def read(self, retailer_id: str, shopper: str) -> ShopperRow:
        self._reach()
        row = self.rows.get(shopper_key(retailer_id, shopper), _Row())
        return ShopperRow(
            row.parameters[0] if row.versions else None, row.state, row.consent[1] if row.consent else None
        )

    async def former_parameters(self, retailer_id: str, shopper: str) -> list[bytes]:
        self._reach()
        return self.rows.get(shopper_key(retailer_id, shopper), _Row()).parameters[1:]

    async def swap_state(self, retailer_id: str, shopper: str, known: bytes | None, state: bytes) -> bool:
        current = (await self.read(retailer_id, shopper)).state
        if current != known:
            return False
        self._row(retailer_id, shopper).state = state
        return True

    async def write_consent(self, retailer_id: str, shopper: str, at_ms: int, line: bytes) -> None:
        row = self._row(retailer_id, shopper)
        if row.consent is None or row.consent[0] <= at_ms:
            row.consent = (at_ms, line)

    async def write_consents(self, consents: Sequence[ConsentLine]) -> list[bool]:
        self._reach()
        for one in consents:
            await self.write_consent(one.retailer_id, one.shopper, one.at_ms, one.line)
        return [True] * len(consents)

    async def write_parameters(
        self, retailer_id: str, rows: Sequence[tuple[str, bytes]], at_ms: int, digests: Sequence[bytes] = ()
    ) -> None:
        for place, (shopper, parameters) in enumerate(rows):
            row = self._row(retailer_id, shopper)
            row.versions[at_ms] = parameters, digests[place] if digests else b""
            # As garbage collection would.
            row.versions = {at: row.versions[at] for at in sorted(row.versions)[-3:]}

    async def parameter_digests(
        self, retailer_id: str, ranges: Sequence[tuple[str, str]]
    ) -> AsyncIterator[tuple[str, int, bytes]]:
        self._reach()
        for key, row in sorted(self.rows.items()):
            owner, _, shopper = key.decode().partition("#")
            if owner == retailer_id and row.versions and any(low <= shopper < high for low, high in ranges):
                newest = max(row.versions)
                yield shopper, newest, row.versions[newest][1]

    async def delete_parameters(self, retailer_id: str, shoppers: Sequence[str], from_ms: int, before_ms: int) -> None:
        self._reach()
        for shopper in shoppers:
            key = shopper_key(retailer_id, shopper)
            row = self.rows.get(key, _Row())
            row.versions = {at: kept for at, kept in row.versions.items() if not from_ms <= at < before_ms}
            if not row.versions and row.state is None and row.consent is None:
                self.rows.pop(key, None)

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        self._reach()
        return int(self.rows.pop(shopper_key(retailer_id, shopper), None) is not None)

    async def delete_profiles(self, retailer_id: str, shoppers: Sequence[str]) -> None:
        self._reach()
        for shopper in shoppers:
            key = shopper_key(retailer_id, shopper)
            row = self.rows.get(key, _Row())
            row.versions, row.state = {}, None
            if row.consent is None:
                self.rows.pop(key, None)

    async def keys(self, retailer_id: str) -> AsyncIterator[bytes]:
        self._reach()
        for key in sorted(self.rows):
            if key.startswith(f"{retailer_id}#".encode()):
                yield key

    async def delete(self, keys: Sequence[bytes]) -> None:
        self._reach()
        for key in keys:
            self.rows.pop(key, None)
