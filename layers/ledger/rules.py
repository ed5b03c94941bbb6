"""What may become of a shard and of a reservation. Pure: each function gives the next value; repeated, the same.

One rule holds in every shard at every moment: `used <= allotment`. Units leave a shard before they reach another, so
the sum of all allotments never exceeds the budget's limit either. Together: it cannot be over-spent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from layers.ledger.model import Claim, Entry, Reservation, Sent, Shard, Status, Use

MAX_ENTRIES = 2000
"""Of a shard: about 200 kB of the 1 MiB that a document may have. A full shard has no room until `heal` sums it up."""


class LedgerBroken(RuntimeError):
    """The documents contradict each other: somebody wrote beside the ledger. Nothing is changed."""


def hold(shard: Shard, entry: str, amount: int) -> Shard | None:
    """None: no room."""
    if entry in shard.entries:
        return shard
    if amount > shard.free or len(shard.entries) >= MAX_ENTRIES:
        return None
    return replace(shard, entries={**shard.entries, entry: Entry(amount, Use.HELD)})


def spend(shard: Shard, entry: str, settled: int) -> Shard:
    """What was held becomes spent, as much of it as was used; the rest is free at once.

    Raises:
        LedgerBroken: nothing is held, or less.
    """
    found = shard.entries.get(entry)
    if found is not None and found.use is Use.SPENT:
        return shard
    if found is None or found.use is not Use.HELD or settled > found.amount:
        raise LedgerBroken("a reservation is to be committed whose units are not held; its documents were changed")
    return replace(shard, entries={**shard.entries, entry: Entry(settled, Use.SPENT)})


def drop(shard: Shard, entry: str) -> Shard:
    """What was held is free again."""
    found = shard.entries.get(entry)
    if found is None:
        return shard
    if found.use is not Use.HELD:
        raise LedgerBroken("a reservation is to be released whose units are spent; its documents were changed")
    return _without(shard, [entry])


def give_back(shard: Shard, entry: str, settled: int) -> Shard:
    """What was spent is free again. The entry stays until the reservation says so too: it is what makes a repetition
    harmless. One that is not there was summed up into `spent`."""
    found = shard.entries.get(entry)
    if found is not None and found.use is Use.RETURNED:
        return shard
    if found is not None and found.use is Use.HELD:
        raise LedgerBroken("a reservation is to be refunded whose units were never spent; its documents were changed")
    # Less than `settled` where a lowering gave a part back already, in an entry of its own.
    amount = (found.amount if found is not None else 0) - settled
    return replace(shard, entries={**shard.entries, entry: Entry(amount, Use.RETURNED)})


def lower(shard: Shard, entry: str, amount: int) -> Shard:
    """A part of what was spent is free again. `entry` is the lowering's own."""
    if entry in shard.entries or not amount:
        return shard
    return replace(shard, entries={**shard.entries, entry: Entry(-amount, Use.RETURNED)})


def fold(shard: Shard, entries: Iterable[str]) -> Shard:
    """Sums up entries whose reservation is at rest."""
    settled = [name for name in entries if name in shard.entries and shard.entries[name].use is not Use.HELD]
    return replace(_without(shard, settled), spent=shard.spent + sum(shard.entries[name].amount for name in settled))


def _without(shard: Shard, entries: Iterable[str]) -> Shard:
    gone = set(entries)
    return replace(shard, entries={name: entry for name, entry in shard.entries.items() if name not in gone})


def send(shard: Shard, transfer: str, to: int, wanted: int) -> Shard:
    """As much of `wanted` as is free leaves for another shard."""
    amount = min(wanted, shard.free)
    if amount <= 0 or transfer in shard.sent:
        return shard
    return replace(shard, allotment=shard.allotment - amount, sent={**shard.sent, transfer: Sent(to, amount)})


def receive(shard: Shard, transfer: str, amount: int) -> Shard:
    if transfer in shard.received:
        return shard
    return replace(shard, allotment=shard.allotment + amount, received={**shard.received, transfer: amount})


def forget_sent(shard: Shard, transfer: str) -> Shard:
    return replace(shard, sent={name: sent for name, sent in shard.sent.items() if name != transfer})


def forget_received(shard: Shard, transfer: str) -> Shard:
    return replace(shard, received={name: units for name, units in shard.received.items() if name != transfer})


NEXT = {
    Status.CLAIMING: frozenset({Status.RESERVED, Status.REFUSING, Status.RELEASING}),
    Status.RESERVED: frozenset({Status.COMMITTING, Status.RELEASING}),
    Status.REFUSING: frozenset({Status.REFUSED}),
    Status.RELEASING: frozenset({Status.RELEASED}),
    Status.COMMITTING: frozenset({Status.COMMITTED}),
    Status.COMMITTED: frozenset({Status.REFUNDING, Status.LOWERING}),
    Status.LOWERING: frozenset({Status.COMMITTED}),
    Status.REFUNDING: frozenset({Status.REFUNDED}),
}
"""What may follow; from anything else nothing does, so a commit and a release of one reservation cannot both win."""


def is_at_rest(status: Status) -> bool:
    """Nothing is under way that somebody has to end."""
    return status in (Status.RESERVED, Status.REFUSED, Status.RELEASED, Status.COMMITTED, Status.REFUNDED)


def becoming(reservation: Reservation, status: Status) -> Reservation | None:
    """None: that may not follow."""
    return replace(reservation, status=status) if status in NEXT.get(reservation.status, ()) else None


def elsewhere(reservation: Reservation, claim: Claim, shard: int) -> Reservation:
    """The claim tries another shard, under another entry."""
    moved = replace(claim, shard=shard, attempt=claim.attempt + 1)
    return replace(reservation, claims=tuple(moved if each == claim else each for each in reservation.claims))


def settling(reservation: Reservation, amounts: dict[str, int]) -> Reservation:
    """With what each budget really pays: never more than was reserved, all of it where nothing is said."""
    return replace(
        reservation,
        claims=tuple(
            replace(claim, settled=max(0, min(claim.amount, amounts.get(claim.budget, claim.amount))))
            for claim in reservation.claims
        ),
    )


def lowering(reservation: Reservation, amounts: Mapping[str, int]) -> Reservation | None:
    """With what remains of what each budget paid; None where that is what it paid already, or more."""
    claims = tuple(_lowered(claim, amounts.get(claim.budget, claim.settled)) for claim in reservation.claims)
    if not any(claim.lowered for claim in claims):
        return None
    return replace(reservation, claims=claims, lowerings=reservation.lowerings + 1)


def _lowered(claim: Claim, remains: int) -> Claim:
    remains = max(0, min(claim.settled, remains))
    return replace(claim, settled=remains, lowered=claim.settled - remains)


def room(shards: Iterable[Shard], amount: int, first: int) -> int | None:
    """Which shard to try: the first with room from `first` on, and around."""
    fitting = [s.number for s in shards if s.free >= amount and len(s.entries) < MAX_ENTRIES]
    return min(fitting, key=lambda number: (number < first, number), default=None)
