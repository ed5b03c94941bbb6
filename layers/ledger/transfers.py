"""Units moving from shard to shard, so that a budget is given away to the last cent.

A transfer is two documents, so it may be killed between them. The units leave first and arrive second: in between
nobody can spend them, which costs a refusal at worst. Each side keeps a transfer until the other cannot need it.
"""

from __future__ import annotations

import uuid

from layers.ledger import rules
from layers.ledger.books import Books
from layers.ledger.model import Budget, Shard


async def gather(books: Books, budget: Budget, amount: int) -> int | None:
    """Brings `amount` together in the shard that has most already; its number. None: all together have less."""
    await finish_transfers(books, budget)
    shards = [each.value for each in await books.shards(budget)]
    if sum(shard.free for shard in shards) < amount:
        return None
    into = max(shards, key=lambda shard: (shard.free, -shard.number))
    wanted = amount - into.free
    for shard in shards:
        if wanted > 0 and shard.number != into.number and shard.free > 0:
            wanted -= await _move(books, budget, shard.number, into.number, wanted)
    return into.number


async def _move(books: Books, budget: Budget, source: int, to: int, wanted: int) -> int:
    transfer = uuid.uuid4().hex[:12]
    found = await books.shard(budget.retailer, budget.budget, source)
    if found is None:
        return 0
    sending = rules.send(found.value, transfer, to, wanted)
    if transfer not in sending.sent or not await books.write(found, sending):
        return 0
    await _deliver(books, sending, transfer)
    return sending.sent[transfer].amount


async def finish_transfers(books: Books, budget: Budget) -> None:
    """Ends transfers that were begun, and forgets those that ended."""
    for kept in await books.shards(budget):
        for transfer in kept.value.sent:
            await _deliver(books, kept.value, transfer)
    for kept in await books.shards(budget):
        for transfer in kept.value.received:
            await _forget(books, kept.value, transfer)


async def _deliver(books: Books, source: Shard, transfer: str) -> None:
    """Both steps; a race that is lost is left to the next who comes by."""
    sent = source.sent[transfer]
    to = await books.shard(source.retailer, source.budget, sent.to)
    sender = await books.shard(source.retailer, source.budget, source.number)
    # The sender is asked after the receiver was read: if it has forgotten the transfer, it has arrived before.
    if to is None or sender is None or transfer not in sender.value.sent:
        return
    arrived = rules.receive(to.value, transfer, sent.amount)
    if arrived != to.value and not await books.write(to, arrived):
        return
    await books.write(sender, rules.forget_sent(sender.value, transfer))


async def _forget(books: Books, to: Shard, transfer: str) -> None:
    """Once no sender names it any more. Which one sent it is not kept: all are asked."""
    found = await books.shard(to.retailer, to.budget, to.number)
    budget = await books.budget(to.retailer, to.budget)
    if found is None or budget is None or transfer not in found.value.received:
        return
    if any(transfer in each.value.sent for each in await books.shards(budget.value)):
        return
    await books.write(found, rules.forget_received(found.value, transfer))
