"""When a campaign has room again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from layers.campaigns.budgets import PaidFrom, cents
from layers.campaigns.model import Campaign
from layers.ledger.healing import Balance


def has_room(campaign: Campaign, paid: Iterable[PaidFrom], left: Mapping[str, Balance]) -> bool:
    """Whether the dearest offer of the campaign fits into all its budgets.

    A percentage has no dearest offer that is known here; a hundredth of the budget is taken for it.
    """
    dearest = max((cents(level.money or 0.0) for level in campaign.generosity), default=0)
    for one in paid:
        found = left.get(one.budget)
        if found is None:
            continue  # Never opened: nothing of it is gone.
        need = 1 if one.unit == "count" else max(dearest, one.units // 100, 1)
        if found.free < need:
            return False
    return True
