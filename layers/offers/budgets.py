"""What a unit of each budget is worth, so that shards decide apart and keep to the budgets together. Pure.

The whole allocation is a linear programme: maximise the expected margin of all shoppers' branches, subject to each
campaign's money and count, each brand's money (these couple shoppers), and each shopper's own limits. Solved whole it
would have hundreds of millions of columns. Its dual has one price for each budget, and given the prices every shopper
is a problem apart (`choosing`): the Lagrangian relaxation. Prices settle on a sample of a few thousand shoppers with
budgets in proportion, because few budgets bind many shoppers (Agrawal, Wang and Ye, Operations Research 62, 2014).

Budgets and expected costs are compared as rates, a week: what is left of a budget is spread evenly over what is left
of its period. What is promised here is an expectation; the ledger that is asked when an offer is taken up holds the
money itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from layers.campaigns.model import Campaign, HouseRules
from layers.offers.branches import Branch, branches
from layers.offers.choosing import chosen
from layers.offers.model import BudgetPrices, Setting, ShopperView

CONFIDENCE = 1.645
"""Standard errors by which the expected use must stay below a budget: it does in 95 of 100 samples."""

_MONTH_WEEKS = 365.25 / 12 / 7
_PASSES = 2
_ROUNDS = 30
_NEAR = 1e-3
_PROHIBITIVE = 1e9
"""The price of a budget that is smaller than one offer, or than what is not known of its use: nobody gets it."""

BudgetKey = tuple[str, str]
"""(`money`, `count` or `brand`, the campaign's id or the brand)."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a campaign has given away in the running period, as the ledger counts it."""

    money: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Sampled:
    """One shopper of the sample, with what could be offered."""

    shopper: str
    found: tuple[Branch, ...]
    trips_per_week: float


@dataclass(frozen=True, slots=True)
class Use:
    """Of one budget, a week, by the whole population.

    Attributes:
        expected: at these prices. upper: the 95 % bound on it, from the sample. limit: the budget.
    """

    expected: float
    upper: float
    limit: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """Attributes:
    prices: for every shard's setting.
    value: expected margin a week of what shards will choose, for the whole population.
    bound: the value of the linear programme, integrality relaxed, which no allocation of this sample can beat.
    uses: by budget.
    """

    prices: BudgetPrices
    value: float
    bound: float
    uses: Mapping[BudgetKey, Use] = field(default_factory=dict)

    @property
    def gap(self) -> float:
        """How far below the bound the value is, as a share of the bound; 0 where nothing can be gained."""
        return max(0.0, 1 - self.value / self.bound) if self.bound > 0 else 0.0


def sampled(shoppers: Sequence[ShopperView], setting: Setting) -> list[Sampled]:
    """Leave out nobody who was drawn: who can be offered nothing counts too."""
    return [Sampled(s.shopper, tuple(branches(s, setting)), s.trips_per_week) for s in shoppers]


def limits(
    campaigns: Sequence[Campaign], rules: HouseRules, at: datetime, spent: Mapping[str, Spent] | None = None
) -> dict[BudgetKey, float]:
    """Every budget as a weekly rate.

    Args:
        spent: by campaign; without, as much of each budget is taken to be left as of its period.
    """
    found: dict[BudgetKey, float] = {}
    for campaign in campaigns:
        first, after = campaign.period_days(at)
        midnight = datetime.combine(after, datetime.min.time(), ZoneInfo(campaign.timezone))
        whole, left = after - first, max(midnight - at, timedelta(hours=1))
        for kind, budget in (("money", campaign.budget.money), ("count", campaign.budget.count)):
            if budget is None:
                continue
            if spent is None:
                found[kind, campaign.campaign] = budget * (timedelta(days=7) / whole)
            else:
                gone = getattr(spent.get(campaign.campaign, Spent()), kind)
                found[kind, campaign.campaign] = max(0.0, budget - gone) * (timedelta(days=7) / left)
    brands = {campaign.brand for campaign in campaigns}
    for brand, money in rules.brand_money.items():
        if brand in brands:
            found["brand", brand] = money / _MONTH_WEEKS
    return found


def keys_of(branch: Branch) -> tuple[BudgetKey, BudgetKey, BudgetKey]:
    campaign = branch.campaign
    return ("money", campaign.campaign), ("count", campaign.campaign), ("brand", campaign.brand)


def allocate(
    sample: Sequence[Sampled], setting: Setting, population: int, spent: Mapping[str, Spent] | None = None
) -> Allocation:
    """Prices at which the whole population keeps within the budgets, and how good they are.

    Args:
        sample: drawn evenly from the population. setting: its budget prices are ignored.
        population: how many shoppers the shards will decide for.

    Raises:
        ValueError: there is no sample, or it is larger than the population.
    """
    if not 0 < len(sample) <= population:
        raise ValueError(f"a sample of {len(sample)} says nothing of {population} shoppers; draw at least one of them")
    budgets = limits(setting.campaigns, setting.rules, setting.at, spent)
    share = len(sample) / population
    prices, best = _duals(sample, setting.rules, {key: limit * share for key, limit in budgets.items()})
    crowd = _Crowd(sample, setting, population)
    for _ in range(_PASSES):
        for key, limit in budgets.items():
            prices[key] = crowd.lowest(key, limit, prices)
    # Who leaves one budget may come to another. So from here on prices only rise, and a budget that still is over after
    # many rounds is closed: each round after those closes one more, at the latest all of them.
    for closing in range(_ROUNDS + len(budgets)):
        over = [key for key, limit in budgets.items() if crowd.use(key, limit, prices).upper > limit]
        if not over:
            break
        for key in over:
            raised = max(crowd.lowest(key, budgets[key], prices), prices[key] * (1 + _NEAR))
            prices[key] = _PROHIBITIVE if closing >= _ROUNDS else raised
    uses = {key: crowd.use(key, limit, prices) for key, limit in budgets.items()}
    return Allocation(_as_prices(prices), crowd.value(prices), best / share, uses)


def _as_prices(prices: Mapping[BudgetKey, float]) -> BudgetPrices:
    def of(kind: str) -> dict[str, float]:
        return {name: price for (k, name), price in prices.items() if k == kind and price > 0}

    return BudgetPrices(of("money"), of("count"), of("brand"))


class _Crowd:
    """What the population would do at given prices, as far as the sample tells."""

    def __init__(self, sample: Sequence[Sampled], setting: Setting, population: int) -> None:
        self._sample, self._setting = sample, setting
        self._size, self._scale = len(sample), population / len(sample)
        # Of a sample that is the whole population nothing is left to chance.
        self._unsure = CONFIDENCE * max(0.0, 1 - len(sample) / population) ** 0.5
        self._concerned: dict[BudgetKey, list[Sampled]] = {}
        for one in sample:
            for key in {key for branch in one.found for key in keys_of(branch)}:
                self._concerned.setdefault(key, []).append(one)

    def use(self, key: BudgetKey, limit: float, prices: Mapping[BudgetKey, float]) -> Use:
        """Of one budget, a week."""
        priced = replace(self._setting, budget_prices=_as_prices(prices))
        used = []
        for one in self._concerned.get(key, ()):
            amount = 0.0
            for choice in chosen(one.shopper, one.found, priced):
                if key in keys_of(choice.branch):
                    _, cost, uses = choice.branch.mixtures[choice.best]
                    amount += uses if key[0] == "count" else cost
            used.append(amount * one.trips_per_week)
        total = sum(used)
        variance = sum(u * u for u in used) / self._size - (total / self._size) ** 2
        upper = total + self._unsure * (max(0.0, variance) * self._size) ** 0.5
        return Use(total * self._scale, upper * self._scale, limit)

    def lowest(self, key: BudgetKey, limit: float, prices: Mapping[BudgetKey, float]) -> float:
        """The lowest price of this budget at which it is surely kept, the others' as they are; to a thousandth."""

        def kept(price: float) -> bool:
            return self.use(key, limit, {**prices, key: price}).upper <= limit

        if kept(0.0):
            return 0.0
        # The dual is near: a narrow bracket around it first, then ever wider ones.
        low = high = max(prices[key], 1e-3)
        step = 1.02
        while not kept(high):
            low, high, step = high, high * step, step * step
            if high > _PROHIBITIVE:
                return _PROHIBITIVE
        while low == high or kept(low):
            low, high, step = low / step, low, step * step
        while high - low > _NEAR * high:
            middle = (low + high) / 2
            low, high = (low, middle) if kept(middle) else (middle, high)
        return high

    def value(self, prices: Mapping[BudgetKey, float]) -> float:
        """Expected margin a week of the whole population."""
        priced = replace(self._setting, budget_prices=_as_prices(prices))
        return self._scale * sum(
            one.trips_per_week * choice.branch.mixtures[choice.best][0]
            for one in self._sample
            for choice in chosen(one.shopper, one.found, priced)
        )


def _duals(
    sample: Sequence[Sampled], rules: HouseRules, scaled: Mapping[BudgetKey, float]
) -> tuple[dict[BudgetKey, float], float]:
    """The budgets' dual variables in the linear programme of the sample, by HiGHS, and its value."""
    budget_rows = {key: row for row, key in enumerate(scaled)}
    upper = list(scaled.values())
    rows: list[int] = []
    columns: list[int] = []
    entries: list[float] = []
    objective: list[float] = []
    local: dict[tuple[object, ...], int] = {}

    def bound_by(key: tuple[object, ...], limit: float, column: int, weight: float = 1.0) -> None:
        if key not in local:
            local[key] = len(upper)
            upper.append(limit)
        rows.append(local[key])
        columns.append(column)
        entries.append(weight)

    for number, one in enumerate(sample):
        for place, branch in enumerate(one.found):
            campaign = branch.campaign
            for best in range(len(branch.arms)):
                margin, cost, uses = branch.mixtures[best]
                column = len(objective)
                objective.append(-margin * one.trips_per_week)
                for key, amount in zip(keys_of(branch), (cost, uses, cost), strict=True):
                    if key in budget_rows:
                        rows.append(budget_rows[key])
                        columns.append(column)
                        entries.append(amount * one.trips_per_week)
                bound_by((number, "branch", place), 1.0, column)
                bound_by((number, "shopper"), rules.offers_per_shopper, column)
                bound_by((number, "campaign", campaign.campaign), campaign.per_shopper, column)
                if campaign.brand:
                    bound_by((number, "brand", campaign.brand), rules.per_brand, column)
                if branch.product:
                    bound_by((number, "product", branch.product), 1.0, column)
                if campaign.exclusive:
                    # Relaxed: a campaign of several offers a shopper takes a part of the group with each.
                    bound_by((number, "exclusive", campaign.exclusive), 1.0, column, 1.0 / campaign.per_shopper)
    if not objective:
        return dict.fromkeys(scaled, 0.0), 0.0
    matrix = coo_array((entries, (rows, columns)), shape=(len(upper), len(objective))).tocsr()
    solved = linprog(objective, A_ub=matrix, b_ub=upper, bounds=(0, None), method="highs")
    if not solved.success:
        raise ArithmeticError(f"the allocation's linear programme was not solved: {solved.message}")
    marginals = -np.asarray(solved.ineqlin.marginals[: len(scaled)])
    return {key: max(0.0, float(marginals[row])) for key, row in budget_rows.items()}, -float(solved.fun)
