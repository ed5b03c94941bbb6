"""Which branches one shopper gets: the best set that house rules and campaigns allow, at given budget prices. Pure.

The set is exact, by branch and bound over the most valuable branches. With the budgets' prices inside the values,
that is each shopper's part of the Lagrangian dual of the whole allocation, so shards decide apart and agree on the
budgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from layers.campaigns.model import HouseRules
from layers.campaigns.terms import may_combine
from layers.experiments.assignment import uniform
from layers.offers.branches import Branch
from layers.offers.model import BudgetPrices, Setting

MOST_BRANCHES = 24
"""Branches of one shopper that are compared; the others are worth less than each of these."""

JITTER = 0.01
"""By how much a budget's price differs between shoppers, at most and by a stable hash: shoppers who are alike would
else all be in, or all be out, at once."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Attributes:
    best: which of the branch's arms is exploited. value: what it brings beyond the budgets that it uses.
    """

    branch: Branch
    best: int
    value: float


def chosen(shopper: str, found: Sequence[Branch], setting: Setting, *, jittered: bool = True) -> tuple[Choice, ...]:
    """The most valuable set, best first; only branches that bring more than they use."""
    valued = []
    for branch in found:
        best, value = branch.best(setting.budget_prices, factor(shopper, branch, setting) if jittered else 1.0)
        if value > 0:
            valued.append(Choice(branch, best, value))
    valued.sort(key=lambda choice: (-choice.value, choice.branch.campaign.campaign, choice.branch.product))
    return best_set(valued[:MOST_BRANCHES], setting.rules)


def factor(shopper: str, branch: Branch, setting: Setting) -> float:
    """What this shopper's budget prices are multiplied with."""
    prices: BudgetPrices = setting.budget_prices
    if not (prices.money or prices.count or prices.brand):
        return 1.0
    return 1.0 + JITTER * (2.0 * _place(setting.retailer_id, shopper, branch.campaign.campaign) - 1.0)


@lru_cache(maxsize=2**16)
def _place(retailer_id: str, shopper: str, campaign: str) -> float:
    # Finding the prices asks for the same ones some hundred times.
    return uniform("price", retailer_id, shopper, campaign)


class Obstacle(StrEnum):
    """Why a branch may not stand beside others. In words, for people."""

    SHOPPER = "the shopper holds as many offers as the house rules allow"
    CAMPAIGN = "the shopper holds as many of this campaign as it allows"
    BRAND = "the shopper holds as many of this brand as the house rules allow"
    PRODUCT = "another campaign's offer is on this product, and two would add up"
    COMBINED = "a campaign is offered that it may not be combined with"


def obstacle(branch: Branch, taken: Sequence[Branch], rules: HouseRules) -> Obstacle | None:
    """What keeps a branch from standing beside those taken; None where nothing does."""
    campaign = branch.campaign
    if len(taken) >= rules.offers_per_shopper:
        return Obstacle.SHOPPER
    same = [one.campaign for one in taken if one.campaign.campaign == campaign.campaign]
    if len(same) >= campaign.per_shopper:
        return Obstacle.CAMPAIGN
    if campaign.brand and sum(one.campaign.brand == campaign.brand for one in taken) >= rules.per_brand:
        return Obstacle.BRAND
    for one in taken:
        # Two offers on one product would add up, and the law counts their sum.
        if branch.product and one.product == branch.product:
            return Obstacle.PRODUCT
        if not may_combine(campaign.stacking, one.campaign.stacking):
            return Obstacle.COMBINED
    return None


def fits(branch: Branch, taken: Sequence[Branch], rules: HouseRules) -> bool:
    """Whether a branch may stand beside those taken."""
    return obstacle(branch, taken, rules) is None


def best_set(valued: Sequence[Choice], rules: HouseRules) -> tuple[Choice, ...]:
    """The set of the largest sum that `fits`.

    Args:
        valued: of falling value, each above 0.
    """
    best: tuple[Choice, ...] = ()
    worth = 0.0

    def search(start: int, taken: tuple[Choice, ...], total: float) -> None:
        nonlocal best, worth
        if total > worth + 1e-12:
            best, worth = taken, total
        left = rules.offers_per_shopper - len(taken)
        for place in range(start, len(valued)):
            # Values fall: no more can come from here on than the next ones, whatever fits.
            if total + sum(choice.value for choice in valued[place : place + left]) <= worth + 1e-12:
                return
            choice = valued[place]
            if fits(choice.branch, [one.branch for one in taken], rules):
                search(place + 1, (*taken, choice), total + choice.value)

    search(0, (), 0.0)
    return best
