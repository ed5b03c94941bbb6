"""The ledger over a document store: reserves, settles and releases, in writes of one document each.

No transaction: the emulator waits seconds for each conflict, and one document is all that needs to be exact. Every
change of a shard reads the shard first, then asks its reservation whether the change is still wanted, then writes over
what it read. So whoever was asleep for an hour between two of these lines changes nothing that is settled since.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial

import msgspec

from layers.ledger import rules
from layers.ledger.books import Books
from layers.ledger.model import Budget, Claim, Reservation, Shard, Status
from layers.ledger.transfers import gather

MAX_ATTEMPTS = 40
"""Shards that a claim tries before it gives up: others are taking what it finds, so there is next to nothing left."""


class UnknownBudget(LookupError):
    """A claim on a budget that was never opened; nothing is reserved."""


@dataclass(frozen=True, slots=True)
class Wish:
    """So many units of a budget."""

    budget: str
    amount: int


class _Done(Enum):
    YES = auto()
    NO_ROOM = auto()
    OVERTAKEN = auto()


async def _briefly(tries: int) -> None:
    await asyncio.sleep(random.uniform(0, min(0.5, 0.005 * 2**tries)))


class Ledger:
    """Args:
    now: the clock that reservations expire by, with its offset.
    pause: waits before the given try, counted from 0; whoever lost a race waits longer each time.
    """

    def __init__(
        self, books: Books, now: Callable[[], datetime], pause: Callable[[int], Awaitable[None]] = _briefly
    ) -> None:
        self._books, self._now, self._pause = books, now, pause

    async def reserve(self, retailer: str, key: str, wishes: Sequence[Wish], until: datetime) -> Reservation:
        """Everything or nothing: RESERVED, or REFUSED with `refused_by`. Repeated, it answers what became of the first.

        Args:
            key: of letters and digits, the same whenever the same thing is reserved; a digest, since erasure does not
                look here.
            wishes: each budget once, always in the same order.

        Raises:
            UnknownBudget: one of them was never opened.
            ValueError: a budget stands twice, or an amount is below 1.
        """
        if len({wish.budget for wish in wishes}) != len(wishes) or not wishes or min(w.amount for w in wishes) < 1:
            raise ValueError("a reservation names each budget once, with at least one unit")
        if await self._books.reservation(retailer, key) is None:
            claims = tuple([await self._first_claim(retailer, key, wish) for wish in wishes])
            made = Reservation(
                retailer=retailer, key=key, claims=claims, status=Status.CLAIMING, until=until, at=self._now()
            )
            await self._books.begin(made)
        return await self._finish(retailer, key)

    async def commit(self, retailer: str, key: str, amounts: Mapping[str, int] | None = None) -> Reservation | None:
        """What was reserved is spent: COMMITTED, with what was `settled`. Any other status says what became of it
        instead; for RELEASED, the commit came too late. None: never reserved.

        Args:
            amounts: what each budget really pays; all that is reserved where nothing is said, never more.
        """
        return await self._towards(retailer, key, Status.COMMITTING, lambda r: rules.settling(r, dict(amounts or {})))

    async def release(self, retailer: str, key: str) -> Reservation | None:
        """What was reserved is free again, unless it was spent already."""
        return await self._towards(retailer, key, Status.RELEASING)

    async def refund(self, retailer: str, key: str) -> Reservation | None:
        """What was spent is free again."""
        return await self._towards(retailer, key, Status.REFUNDING)

    async def lower(self, retailer: str, key: str, amounts: Mapping[str, int]) -> Reservation | None:
        """A part of what was spent is free again: COMMITTED, with what remains `settled`.

        Args:
            amounts: what remains spent of each budget named. Never more than before: what was given up once may be
                somebody else's.
        """
        return await self._towards(retailer, key, Status.LOWERING, lambda r: rules.lowering(r, amounts))

    async def extend(self, retailer: str, key: str, until: datetime) -> Reservation | None:
        """What is reserved stays so until then at least."""
        for tries in range(MAX_ATTEMPTS):
            found = await self._books.reservation(retailer, key)
            if found is None or found.value.status is not Status.RESERVED or found.value.until >= until:
                break
            if await self._books.write(found, msgspec.structs.replace(found.value, until=until)):
                break
            await self._pause(tries)
        return await self._settled(retailer, key)

    async def finish(self, retailer: str, key: str) -> Reservation | None:
        """Ends what somebody began and did not end."""
        return await self._settled(retailer, key)

    async def _settled(self, retailer: str, key: str) -> Reservation | None:
        found = await self._books.reservation(retailer, key)
        return await self._finish(retailer, key) if found is not None else None

    async def _first_claim(self, retailer: str, key: str, wish: Wish) -> Claim:
        budget = await self._budget(retailer, wish.budget)
        return Claim(wish.budget, wish.amount, shard=sum(key.encode()) % budget.shards)

    async def _budget(self, retailer: str, name: str) -> Budget:
        budget = await self._books.budget(retailer, name)
        if budget is None:
            raise UnknownBudget(f"budget {name!r} was never opened, so nothing can be reserved from it; open it first")
        return budget.value

    async def _towards(
        self,
        retailer: str,
        key: str,
        status: Status,
        prepared: Callable[[Reservation], Reservation | None] = lambda reservation: reservation,
    ) -> Reservation | None:
        tries = 0
        while (found := await self._books.reservation(retailer, key)) is not None:
            underway = found.value.status is Status.CLAIMING and status is not Status.RELEASING
            if underway or found.value.status is Status.LOWERING:
                await self._finish(retailer, key)
                continue
            becoming = rules.becoming(found.value, status)
            wanted = prepared(becoming) if becoming is not None else None
            if wanted is None or await self._books.write(found, wanted):
                return await self._finish(retailer, key)
            await self._pause(tries)
            tries += 1
        return None

    async def _finish(self, retailer: str, key: str) -> Reservation:
        """Drives a reservation to rest, whoever began; many may do so at once."""
        tries = 0
        while True:
            found = await self._books.reservation(retailer, key)
            if found is None:
                raise rules.LedgerBroken("a reservation vanished while it was worked on; was its collection emptied?")
            reservation = found.value
            match reservation.status:
                case Status.CLAIMING:
                    following: Reservation | None = await self._claimed(reservation)
                case Status.COMMITTING:
                    following = await self._each(reservation, Status.COMMITTED, rules.spend)
                case Status.LOWERING:
                    following = await self._lowered(reservation)
                case Status.REFUNDING:
                    following = await self._each(reservation, Status.REFUNDED, rules.give_back)
                case Status.REFUSING:
                    following = await self._each(reservation, Status.REFUSED, _dropped)
                case Status.RELEASING:
                    following = await self._each(reservation, Status.RELEASED, _dropped)
                case _:
                    return reservation
            if following is None or not await self._books.write(found, following):
                await self._pause(tries)
                tries += 1
            elif rules.is_at_rest(following.status):
                # As it was written: to read it again would only cost a call.
                return following

    async def _claimed(self, reservation: Reservation) -> Reservation | None:
        """What the reservation becomes after its claims were held, or one of them could not be."""
        for claim in reservation.claims:
            entry = reservation.entry(claim)
            done = await self._change(reservation, claim, partial(rules.hold, entry=entry, amount=claim.amount))
            if done is _Done.OVERTAKEN:
                return None
            if done is _Done.NO_ROOM:
                shard = await self._elsewhere(reservation.retailer, claim)
                if shard is None:
                    refusing = rules.becoming(reservation, Status.REFUSING)
                    assert refusing is not None
                    return msgspec.structs.replace(refusing, refused_by=claim.budget)
                return rules.elsewhere(reservation, claim, shard)
        return rules.becoming(reservation, Status.RESERVED)

    async def _elsewhere(self, retailer: str, claim: Claim) -> int | None:
        """Another shard with room; where only all together have it, one that got it from the others."""
        if claim.attempt >= MAX_ATTEMPTS:
            return None
        budget = await self._budget(retailer, claim.budget)
        shards = await self._books.shards(budget)
        found = rules.room((each.value for each in shards), claim.amount, claim.shard)
        if found is not None:
            return found
        return await gather(self._books, budget, claim.amount)

    async def _each(
        self, reservation: Reservation, status: Status, change: Callable[[Shard, str, int], Shard]
    ) -> Reservation | None:
        def applied(claim: Claim) -> Callable[[Shard], Shard]:
            return lambda shard: change(shard, reservation.entry(claim), claim.settled)

        return await self._applied(reservation, status, applied)

    async def _lowered(self, reservation: Reservation) -> Reservation | None:
        def applied(claim: Claim) -> Callable[[Shard], Shard]:
            return lambda shard: rules.lower(shard, reservation.lowering_entry(claim), claim.lowered)

        return await self._applied(reservation, Status.COMMITTED, applied)

    async def _applied(
        self, reservation: Reservation, status: Status, change: Callable[[Claim], Callable[[Shard], Shard]]
    ) -> Reservation | None:
        for claim in reservation.claims:
            done = await self._change(reservation, claim, change(claim))
            if done is _Done.OVERTAKEN:
                return None
            if done is _Done.NO_ROOM:
                raise rules.LedgerBroken(f"a shard of budget {claim.budget!r} is gone; was its collection emptied?")
        return rules.becoming(reservation, status)

    async def _change(self, reservation: Reservation, claim: Claim, change: Callable[[Shard], Shard | None]) -> _Done:
        tries = 0
        while True:
            shard = await self._books.shard(reservation.retailer, claim.budget, claim.shard)
            # Asked after the shard was read: an answer from before it could be older than what the shard says.
            current = await self._books.reservation(reservation.retailer, reservation.key)
            if current is None or (current.value.status, current.value.claims) != (
                reservation.status,
                reservation.claims,
            ):
                return _Done.OVERTAKEN
            if shard is None:
                return _Done.NO_ROOM
            changed = change(shard.value)
            if changed is None:
                return _Done.NO_ROOM
            if changed == shard.value or await self._books.write(shard, changed):
                return _Done.YES
            await self._pause(tries)
            tries += 1


def _dropped(shard: Shard, entry: str, _: int) -> Shard:
    return rules.drop(shard, entry)
