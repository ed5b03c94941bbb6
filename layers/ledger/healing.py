"""What a scheduled job does for a budget: ends what was killed, releases what expired, sums up what is settled."""

from __future__ import annotations

from datetime import datetime

import msgspec

from layers.ledger import rules
from layers.ledger.books import Books, Kept
from layers.ledger.ledger import Ledger
from layers.ledger.model import Budget, Reservation, Shard, Status, Use
from layers.ledger.transfers import finish_transfers


class Balance(msgspec.Struct, frozen=True):
    """Of a budget, in its units, read shard by shard. `limit` = `spent` + `held` + `free` + what is between shards."""

    budget: str
    limit: int
    spent: int
    held: int
    free: int


class Healed(msgspec.Struct, frozen=True):
    """What was found: reservations that expired, others that somebody left unfinished, entries of nobody."""

    balance: Balance
    expired: int = 0
    unfinished: int = 0
    strays: int = 0


async def balance(books: Books, budget: Budget) -> Balance:
    shards = [each.value for each in await books.shards(budget)]
    held = sum(shard.held for shard in shards)
    return Balance(
        budget.budget,
        budget.limit,
        sum(shard.used for shard in shards) - held,
        held,
        sum(shard.free for shard in shards),
    )


async def heal(books: Books, ledger: Ledger, budget: Budget, now: datetime) -> Healed:
    """Safe at any time, beside everything else, and to be killed. What loses a race is for the next run."""
    await books.open(budget.retailer, budget.budget, budget.limit, budget.parts[-1].shards)
    await finish_transfers(books, budget)
    expired = unfinished = strays = 0
    for kept in await books.shards(budget):
        for entry in kept.value.entries:
            key = entry.rpartition("_")[0]
            reservation = await books.reservation(budget.retailer, key)
            if reservation is None:
                continue
            status = reservation.value.status
            if status in (Status.RESERVED, Status.CLAIMING) and reservation.value.until <= now:
                expired += 1
                await ledger.release(budget.retailer, key)
            elif (
                status not in (Status.RESERVED, Status.CLAIMING)
                and status in rules.NEXT
                and status is not (Status.COMMITTED)
            ):
                unfinished += 1
                await ledger.finish(budget.retailer, key)
        strays += await _tidied(books, budget, kept.value.number)
    return Healed(await balance(books, budget), expired, unfinished, strays)


async def _tidied(books: Books, budget: Budget, number: int) -> int:
    """How many entries of nobody were removed."""
    found = await books.shard(budget.retailer, budget.budget, number)
    if found is None:
        return 0
    settled: list[str] = []
    strays: list[str] = []
    for entry, part in found.value.entries.items():
        kept = await books.reservation(budget.retailer, entry.rpartition("_")[0])
        use = part.use
        if _is_at_rest(kept, use):
            settled.append(entry)
        elif use is Use.HELD and not _wants(kept, found.value, entry):
            strays.append(entry)
    tidy = rules.fold(found.value, settled)
    for entry in strays:
        tidy = rules.drop(tidy, entry)
    if tidy == found.value or not await books.write(found, tidy):
        return 0
    return len(strays)


def _is_at_rest(kept: Kept[Reservation] | None, use: Use) -> bool:
    if kept is None:
        return use is not Use.HELD  # Beyond its retention: nothing can follow.
    if kept.value.status is Status.COMMITTED:
        return use is not Use.HELD  # What is returned of it is a lowering's.
    return (kept.value.status, use) == (Status.REFUNDED, Use.RETURNED)


def _wants(kept: Kept[Reservation] | None, shard: Shard, entry: str) -> bool:
    """Whether the reservation, as it stands, holds this very entry in this shard."""
    if kept is None or kept.value.status in (Status.REFUSED, Status.RELEASED):
        return False
    return any(
        (claim.budget, claim.shard, kept.value.entry(claim)) == (shard.budget, shard.number, entry)
        for claim in kept.value.claims
    )
