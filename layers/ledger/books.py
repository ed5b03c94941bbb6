"""Where budgets, shards and reservations lie: reading them typed, writing each only over what was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from layers.ledger.model import Budget, Part, Reservation, Shard, document
from layers.stores.collections import BUDGET_SHARDS, BUDGETS, RESERVATIONS, Collection
from layers.stores.firestore.port import Document, Documents

Value = TypeVar("Value", Budget, Shard, Reservation)


@dataclass(frozen=True, slots=True)
class Kept(Generic[Value]):
    """A value and the document that it was read from."""

    value: Value
    document: Document
    collection: Collection


class LimitLowered(ValueError):
    """A budget can only grow: what is promised from it cannot be taken back."""


class Books:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def open(
        self, retailer: str, budget: str, units: int, shards: int, local_until: datetime | None = None
    ) -> Budget:
        """Opens a budget, or raises its limit. Repeated, it changes nothing, and ends what was killed halfway.

        Args:
            units: the limit, cents or a count. shards: writes at a time; Firestore takes about one a second for each
                document, and a redemption writes three times.
            local_until: of a budget of which there are very many, the end of its period.

        Raises:
            LimitLowered: there is one already with more.
        """
        while True:
            local = local_until is not None
            parts: tuple[Part, ...] = (Part(units, shards),)
            made = Budget(retailer=retailer, budget=budget, parts=parts, local=local, until=local_until)
            found = await self.budget(retailer, budget)
            if found is None:
                if not await self._documents.create(BUDGETS, f"{retailer}:{budget}", document(made)):
                    continue
                opened = made
            elif units < found.value.limit:
                raise LimitLowered(
                    f"budget {budget!r} has {found.value.limit} units and cannot shrink to {units}, since they may be "
                    "promised already; end the campaign instead"
                )
            elif units == found.value.limit:
                opened = found.value
            else:
                parts = (*found.value.parts, Part(units - found.value.limit, shards))
                opened = msgspec.structs.replace(found.value, parts=parts)
                if not await self.write(found, opened):
                    continue
            await self._make_shards(opened)
            return opened

    async def _make_shards(self, budget: Budget) -> None:
        for number, allotment in enumerate(budget.allotments()):
            shard = Shard(retailer=budget.retailer, budget=budget.budget, number=number, allotment=allotment)
            await self._documents.create(BUDGET_SHARDS, f"{budget.retailer}:{budget.budget}:{number}", document(shard))

    async def begin(self, reservation: Reservation) -> bool:
        """False: it was begun before."""
        return await self._documents.create(
            RESERVATIONS, f"{reservation.retailer}:{reservation.key}", document(reservation)
        )

    async def budget(self, retailer: str, budget: str) -> Kept[Budget] | None:
        return await self._get(BUDGETS, f"{retailer}:{budget}", Budget)

    async def shard(self, retailer: str, budget: str, number: int) -> Kept[Shard] | None:
        return await self._get(BUDGET_SHARDS, f"{retailer}:{budget}:{number}", Shard)

    async def shards(self, budget: Budget) -> list[Kept[Shard]]:
        """Those that are there, by number. Read one after the other, so no picture of one moment."""
        found = [await self.shard(budget.retailer, budget.budget, number) for number in range(budget.shards)]
        return [shard for shard in found if shard is not None]

    async def reservation(self, retailer: str, key: str) -> Kept[Reservation] | None:
        return await self._get(RESERVATIONS, f"{retailer}:{key}", Reservation)

    async def reservations(self, retailer: str, status: str) -> list[Reservation]:
        found = await self._documents.find(RESERVATIONS, retailer=retailer, status=status)
        return [msgspec.convert(each.data, Reservation) for each in found]

    async def write(self, over: Kept[Value], value: Value) -> bool:
        """False: somebody wrote since."""
        return await self._documents.replace(over.collection, over.document, document(value))

    async def _get(self, collection: Collection, id: str, kind: type[Value]) -> Kept[Value] | None:
        found = await self._documents.get(collection, id)
        return None if found is None else Kept(msgspec.convert(found.data, kind), found, collection)
