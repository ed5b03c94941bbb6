"""What became of today's promises: read as they are stored, held against the events and against the budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from emulators.shop.stage import DemoFailed, Stage
from layers.promises.model import Fate, Promise, promises_id, read
from layers.promises.settling import settled
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.collections import PROMISES
from layers.stores.firestore.documents import FirestoreDocuments


@dataclass(frozen=True, slots=True)
class Kept:
    """A campaign's promises, and its first budget of money, in cents.

    Attributes:
        promised: all of them. earned: committed on delivery. freed: released, for the order was cancelled or did not
            earn it. returned: taken back with a refund. waiting: of no order, until they expire.
        limit, spent, reserved, left: of the budget.
    """

    campaign: str
    promised: int
    earned: int
    freed: int
    returned: int
    waiting: int
    limit: int
    spent: int
    reserved: int
    left: int


def promises_of(stage: Stage, pseudonyms: Iterable[str]) -> tuple[dict[str, tuple[Promise, ...]], int]:
    """Each shopper's promises, of those who have any; and how many of them are not yet what the events make of them."""
    return asyncio.run(_promises_of(stage, list(pseudonyms)))


async def _promises_of(stage: Stage, pseudonyms: Sequence[str]) -> tuple[dict[str, tuple[Promise, ...]], int]:
    documents, hot = FirestoreDocuments.of(stage.values), BigtableHotEvents.of(stage.values)
    found: dict[str, tuple[Promise, ...]] = {}
    late = 0
    now = datetime.now(UTC)
    for pseudonym in pseudonyms:
        document = await documents.get(PROMISES, promises_id(stage.retailer.id, pseudonym))
        if document is None:
            continue
        promises = found[pseudonym] = read(document.data).promises
        oldest = min(one.at for one in promises)
        records = await hot.newest_first(stage.retailer, pseudonym, now=now, not_before=oldest, limit=20_000)
        late += len(settled(promises, records))
    return found, late


def kept(promises: Iterable[Promise], budgets: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Kept]:
    """A line a campaign.

    Args:
        budgets: of each campaign, as its report has them.

    Raises:
        DemoFailed: a budget of money says something else than the promises that it pays.
    """
    every = list(promises)
    return [
        _kept(campaign, [one for one in every if one.campaign == campaign], lines)
        for campaign, lines in budgets.items()
    ]


def _kept(campaign: str, promises: Sequence[Promise], lines: Sequence[Mapping[str, Any]]) -> Kept:
    money = next(line for line in lines if line["unit"] == "cents")
    by_fate = {fate: [one for one in promises if one.fate is fate] for fate in Fate}
    spent = sum(one.earned - one.unbudgeted for one in promises)
    reserved = sum(one.cents for fate in (Fate.OPEN, Fate.ORDERED) for one in by_fate[fate])
    if (spent, reserved) != (money["spent"], money["reserved"]):
        raise DemoFailed(
            f"the promises of {campaign} have {spent} cents earned and {reserved} open, and its budget says "
            f"{money['spent']} spent and {money['reserved']} reserved; see the log of settlement, and layers/ledger"
        )
    return Kept(
        campaign=campaign,
        promised=len(promises),
        earned=len(by_fate[Fate.EARNED]),
        freed=len(by_fate[Fate.NOT_EARNED]),
        returned=len(by_fate[Fate.RETURNED]),
        waiting=len(by_fate[Fate.OPEN]) + len(by_fate[Fate.ORDERED]),
        limit=int(money["limit"]),
        spent=spent,
        reserved=reserved,
        left=int(money["left"]),
    )
