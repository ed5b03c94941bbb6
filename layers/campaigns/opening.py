"""Opens the ledger's budgets of a campaign, for the periods of one moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from layers.campaigns.budgets import PaidFrom, paid_from
from layers.campaigns.model import Campaign
from layers.campaigns.published import rules_of
from layers.ledger.books import Books
from layers.retailers import Retailer
from layers.stores.firestore.port import Documents


async def open_all(books: Books, retailer_id: str, budgets: Iterable[PaidFrom]) -> None:
    """Repeated, it changes nothing; where a limit was raised, it is raised here, too.

    Raises:
        LimitLowered: of the first that has more; those before it are open.
    """
    for paid in budgets:
        await _open(books, retailer_id, paid)


async def _open(books: Books, retailer_id: str, paid: PaidFrom) -> None:
    until = paid.until if paid.local else None
    await books.open(retailer_id, paid.budget, paid.units, paid.shards, until)


async def open_missing(books: Books, retailer_id: str, budgets: Iterable[PaidFrom]) -> bool:
    """The same, for who only wants them to be there. A limit that shrank holds from the next period on, and costs
    nobody a decision until then.

    Returns:
        Whether one was opened, or raised.
    """
    changed = False
    for paid in budgets:
        before = await books.budget(retailer_id, paid.budget)
        if before is None or before.value.limit < paid.units:
            await _open(books, retailer_id, paid)
            changed = True
    return changed


async def open_budgets(documents: Documents, retailer: Retailer, campaign: Campaign, at: datetime) -> None:
    """Those of `at`, or of the campaign's first moment, where that is to come.

    Raises:
        LimitLowered: see `open_all`.
    """
    when = max(at, campaign.begins())
    await open_all(Books(documents), retailer.id, paid_from(campaign, await rules_of(documents, retailer), when))
