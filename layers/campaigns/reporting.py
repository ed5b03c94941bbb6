"""What the budgets of a retailer's campaigns have spent, hold for promises, and have left, at this moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from layers.campaigns.budgets import Unit, paid_from
from layers.campaigns.model import Campaign
from layers.campaigns.published import campaigns_of, rules_of
from layers.ledger.books import Books
from layers.ledger.healing import balance
from layers.retailers import Retailer
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
    at: in whose periods. campaigns: without, all that were published and run then.
    """
    rules = await rules_of(documents, retailer)
    if campaigns is None:
        published = await campaigns_of(documents, retailer.id)
        campaigns = [one.campaign for one in published if one.campaign.runs(at)]
    books, lines = Books(documents), []
    for campaign in campaigns:
        for paid in paid_from(campaign, rules, at):
            opened = await books.budget(retailer.id, paid.budget)
            spent = reserved = 0
            limit = left = paid.units
            if opened is not None:
                found = await balance(books, opened.value)
                limit, spent, reserved, left = found.limit, found.spent, found.held, found.free
            lines.append(
                Line(
                    campaign=campaign.campaign, budget=paid.budget, unit=paid.unit, until=paid.until,
                    limit=limit, spent=spent, reserved=reserved, left=left,
                )
            )  # fmt: skip
    return lines
