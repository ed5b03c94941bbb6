"""The table `shoppers`: one row a shopper, all that a decision needs in one read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from hashlib import blake2b

from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.stores.bigtable.cells import Cell
from layers.stores.bigtable.events import delete_rows
from layers.stores.bigtable.messages import RowFilter
from layers.stores.bigtable.port import ConsentLine, ShopperRow, Unavailable
from layers.stores.bigtable.together import Together
from layers.stores.bigtable.wire import (
    BigtableWire,
    chain,
    delete_cells_between,
    delete_family,
    delete_row,
    interleave,
    prefix_end,
    set_cell,
)
from layers.stores.channel import open_channel
from layers.stores.tables import CONSENT, PARAMETERS, SHOPPERS, STATE

DOCUMENT = b"d"
DIGEST = b"v"
_STATE_AT_MS = 0
"""The state is one cell that is written over: no version of it is worth keeping, none waits for garbage collection."""

_WRITE_BATCH = 500
_DIGESTS = chain(
    RowFilter(family_name_regex_filter=PARAMETERS),
    RowFilter(cells_per_column_limit_filter=1),
    interleave(
        RowFilter(column_qualifier_regex_filter=DIGEST),
        chain(RowFilter(column_qualifier_regex_filter=DOCUMENT), RowFilter(strip_value_transformer=True)),
    ),
)
_DOCUMENTS = chain(RowFilter(column_qualifier_regex_filter=DOCUMENT), RowFilter(cells_per_column_limit_filter=1))


def shopper_key(retailer_id: str, shopper: str) -> bytes:
    return f"{retailer_id}#{shopper}".encode()


def digest(state: bytes) -> bytes:
    """What the compare-and-set compares, so that the old state does not travel again."""
    return blake2b(state, digest_size=16).digest()


def _shopper_row(cells: Iterable[Cell]) -> ShopperRow:
    found = {cell.family: cell.value for cell in cells}
    return ShopperRow(found.get(PARAMETERS), found.get(STATE), found.get(CONSENT))


class BigtableShopperRows:
    """Passes `tests/contracts/test_hot.py` together with its fake."""

    def __init__(self, wire: BigtableWire) -> None:
        self._wire = wire
        self._documents = Together(self._documents_of_all)

    @classmethod
    def of(cls, values: Settings) -> BigtableShopperRows:
        channel = open_channel("bigtable.googleapis.com", values.emulator("bigtable"))
        # Compare-and-set needs a profile that routes to one cluster; infra makes it with this name.
        return cls(BigtableWire(channel, values[settings.hot_table(SHOPPERS)], profile="shoppers"))

    async def read(self, retailer_id: str, shopper: str) -> ShopperRow:
        return await self._documents(shopper_key(retailer_id, shopper))

    async def _documents_of_all(self, keys: Sequence[bytes]) -> list[ShopperRow]:
        rows = {key: cells async for key, cells in self._wire.read_keys(sorted(set(keys)), _DOCUMENTS)}
        return [_shopper_row(rows.get(key, ())) for key in keys]

    async def former_parameters(self, retailer_id: str, shopper: str) -> list[bytes]:
        key = shopper_key(retailer_id, shopper)
        all_of = chain(
            RowFilter(family_name_regex_filter=PARAMETERS), RowFilter(column_qualifier_regex_filter=DOCUMENT)
        )
        rows = [cells async for _, cells in self._wire.read_keys([key], all_of)]
        return [cell.value for cells in rows for cell in cells[1:]]

    async def swap_state(self, retailer_id: str, shopper: str, known: bytes | None, state: bytes) -> bool:
        write = [
            set_cell(STATE, DOCUMENT, _STATE_AT_MS, state),
            set_cell(STATE, DIGEST, _STATE_AT_MS, digest(state)),
        ]
        key = shopper_key(retailer_id, shopper)
        there = [RowFilter(family_name_regex_filter=STATE), RowFilter(column_qualifier_regex_filter=DIGEST)]
        if known is None:
            return not await self._wire.check_and_mutate(key, chain(*there), if_false=write)
        same = RowFilter()
        same.value_range_filter.start_value_closed = digest(known)
        same.value_range_filter.end_value_closed = digest(known)
        return await self._wire.check_and_mutate(key, chain(*there, same), if_true=write)

    async def write_consent(self, retailer_id: str, shopper: str, at_ms: int, line: bytes) -> None:
        await self._all([(shopper_key(retailer_id, shopper), [set_cell(CONSENT, DOCUMENT, at_ms, line)])])

    async def write_consents(self, consents: Sequence[ConsentLine]) -> list[bool]:
        cells = [(shopper_key(c.retailer_id, c.shopper), CONSENT, c.at_ms, c.line) for c in consents]
        return await self._wire.set_cells(DOCUMENT, cells)

    async def write_parameters(
        self, retailer_id: str, rows: Sequence[tuple[str, bytes]], at_ms: int, digests: Sequence[bytes] = ()
    ) -> None:
        for first in range(0, len(rows), _WRITE_BATCH):
            await self._all(
                [
                    (
                        shopper_key(retailer_id, shopper),
                        [
                            set_cell(PARAMETERS, DOCUMENT, at_ms, parameters),
                            # Also where there is none: the one before would be of other parameters.
                            set_cell(PARAMETERS, DIGEST, at_ms, digests[place] if digests else b""),
                        ],
                    )
                    for place, (shopper, parameters) in enumerate(rows[first : first + _WRITE_BATCH], first)
                ]
            )

    async def parameter_digests(
        self, retailer_id: str, ranges: Sequence[tuple[str, str]]
    ) -> AsyncIterator[tuple[str, int, bytes]]:
        keys = [(shopper_key(retailer_id, low), shopper_key(retailer_id, high)) for low, high in ranges]
        async for key, cells in self._wire.scan(keys, _DIGESTS):
            found = {cell.qualifier: cell for cell in cells}
            document, digest = found.get(DOCUMENT), found.get(DIGEST)
            if document is not None:
                is_its = digest is not None and digest.at_ms == document.at_ms
                yield key.decode().partition("#")[2], document.at_ms, digest.value if digest and is_its else b""

    async def delete_parameters(self, retailer_id: str, shoppers: Sequence[str], from_ms: int, before_ms: int) -> None:
        deletion: list[object] = [
            delete_cells_between(PARAMETERS, column, from_ms, before_ms) for column in (DOCUMENT, DIGEST)
        ]
        for first in range(0, len(shoppers), _WRITE_BATCH):
            batch = shoppers[first : first + _WRITE_BATCH]
            await self._all([(shopper_key(retailer_id, shopper), deletion) for shopper in batch])

    async def _all(self, entries: list[tuple[bytes, list[object]]]) -> None:
        if not all(await self._wire.mutate(entries)):
            raise Unavailable("MutateRows: some rows were not written")

    async def delete_shopper(self, retailer_id: str, shopper: str) -> int:
        key = shopper_key(retailer_id, shopper)
        there = RowFilter(cells_per_row_limit_filter=1)
        return int(await self._wire.check_and_mutate(key, there, if_true=[delete_row()]))

    async def delete_profiles(self, retailer_id: str, shoppers: Sequence[str]) -> None:
        for first in range(0, len(shoppers), _WRITE_BATCH):
            await self._all(
                [
                    (shopper_key(retailer_id, shopper), [delete_family(PARAMETERS), delete_family(STATE)])
                    for shopper in shoppers[first : first + _WRITE_BATCH]
                ]
            )

    async def keys(self, retailer_id: str) -> AsyncIterator[bytes]:
        prefix = f"{retailer_id}#".encode()
        keys_only = chain(RowFilter(cells_per_row_limit_filter=1), RowFilter(strip_value_transformer=True))
        async for key, _ in self._wire.read(prefix, prefix_end(prefix), keys_only):
            yield key

    async def delete(self, keys: Sequence[bytes]) -> None:
        await delete_rows(self._wire, keys)
