"""What the budgets of a retailer's campaigns have spent, hold for promises, and have left, at this moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from layers.campaigns.budgets import PaidFrom, Unit, in_stores, of_named_stores, paid_from
from layers.campaigns.model import Campaign
from layers.campaigns.published import campaigns_of, rules_of
from layers.ledger.books import Books
from layers.ledger.healing import balance
from layers.retailers import Retailer
from layers.stores.collections import BUDGETS
from layers.stores.firestore.port import Documents


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Of a campaign and one of its budgets, in its units. What all but `left` lack of `limit` is between two shards."""

    campaign: str
    budget: str
    unit: Unit
    until: datetime
    limit: int
    spent: int
    reserved: int
    left: int


async def report(
    documents: Documents, retailer: Retailer, at: datetime, campaigns: Iterable[Campaign] | None = None
) -> list[Line]:
    """Args:
    at: in whose periods. campaigns: without, all that were published and run then. Of a budget of each store, a line
        for every store where it was opened.
    """
    rules = await rules_of(documents, retailer)
    if campaigns is None:
        published = await campaigns_of(documents, retailer.id)
        campaigns = [one.campaign for one in published if one.campaign.runs(at)]
    books, lines = Books(documents), list[Line]()
    opened: list[str] | None = None
    for campaign in campaigns:
        for paid in paid_from(campaign, rules, at):
            if not paid.local:
                lines.append(await _line(books, retailer, campaign, paid, paid.budget))
                continue
            if opened is None:
                opened = [str(each.data["budget"]) for each in await documents.find(BUDGETS, retailer=retailer.id)]
            for budget in in_stores(paid, opened):
                lines.append(await _line(books, retailer, campaign, paid, budget))
        for paid in of_named_stores(campaign, rules, at):
            lines.append(await _line(books, retailer, campaign, paid, paid.budget))
    return lines


async def _line(books: Books, retailer: Retailer, campaign: Campaign, paid: PaidFrom, budget: str) -> Line:
    opened = await books.budget(retailer.id, budget)
    spent = reserved = 0
    limit = left = paid.units
    if opened is not None:
        found = await balance(books, opened.value)
        limit, spent, reserved, left = found.limit, found.spent, found.held, found.free
    return Line(
        campaign=campaign.campaign, budget=budget, unit=paid.unit, until=paid.until,
        limit=limit, spent=spent, reserved=reserved, left=left,
    )  # fmt: skip
