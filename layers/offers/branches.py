"""What could be offered to one shopper: each campaign and product that is lawful and pays, with its levels. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layers.campaigns.law import value_cap
from layers.campaigns.model import Campaign, Level
from layers.experiments.assignment import explored
from layers.offers.baskets import Array, best_threshold, reached
from layers.offers.model import BudgetPrices, Setting, ShopperView, Wanted
from layers.offers.uplift import margin_of, promoted

MAX_ARMS = 3
"""Levels of one branch that are kept, the most profitable: what can be drawn must be kept with the shopper."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One level, at the threshold that suits the shopper best.

    Attributes:
        generosity: what it gives, money; of a game, the prize.
        threshold: 0 for none.
        probability, uplift: of the product being bought, or of the threshold being reached.
        margin: expected incremental margin of one trip. cost: expected money given away. uses: expected uses.
    """

    level: Level
    generosity: float
    threshold: float
    probability: float
    uplift: float
    margin: float
    cost: float
    uses: float


@dataclass(frozen=True)
class Branch:
    """A campaign and, of a promotion, a product: what is offered or not, as one.

    Attributes:
        arms: at least one, the most profitable first.
    """

    campaign: Campaign
    arms: tuple[Arm, ...]
    wanted: Wanted | None = None

    @property
    def product(self) -> str:
        return self.wanted.product if self.wanted else ""

    def propensities(self, best: int) -> tuple[float, ...]:
        """Of each arm, in order, when `best` is exploited; what is left to 1 is that nothing is offered."""
        epsilon = self.campaign.exploration
        if not epsilon:
            return tuple(float(place == best) for place in range(len(self.arms)))
        # Nothing is an alternative too: without it nobody could tell what the campaign adds.
        return explored(len(self.arms) + 1, best, epsilon)[:-1]

    @cached_property
    def mixtures(self) -> tuple[tuple[float, float, float], ...]:
        """By the arm that is exploited: expected (margin, cost, uses) of one trip over all that may be drawn then."""
        found = []
        for best in range(len(self.arms)):
            drawn = list(zip(self.propensities(best), self.arms, strict=True))
            found.append(
                (
                    sum(weight * arm.margin for weight, arm in drawn),
                    sum(weight * arm.cost for weight, arm in drawn),
                    sum(weight * arm.uses for weight, arm in drawn),
                )
            )
        return tuple(found)

    def best(self, prices: BudgetPrices, factor: float = 1.0) -> tuple[int, float]:
        """The arm to exploit, and what the branch brings beyond the budgets that it uses.

        Args:
            factor: on the prices, around 1.
        """
        id = self.campaign.campaign
        per_money = factor * (prices.money.get(id, 0.0) + prices.brand.get(self.campaign.brand, 0.0))
        per_use = factor * prices.count.get(id, 0.0)
        net = [margin - per_money * cost - per_use * uses for margin, cost, uses in self.mixtures]
        best = max(range(len(net)), key=net.__getitem__)
        return best, net[best]


def branches(shopper: ShopperView, setting: Setting) -> list[Branch]:
    """Every branch that is expected to bring something, by campaign and product."""
    found: list[Branch] = []
    atoms = shopper.baskets.atoms() if shopper.baskets else None
    if shopper.seeks_discounts:
        for wanted in shopper.wanted:
            for campaign in setting.promotions_of(wanted):
                if not shopper.is_reached_by(campaign):
                    continue
                arms = [arm for arm in promotion_arms(campaign, wanted, atoms, setting) if pays(arm)]
                if arms:
                    found.append(Branch(campaign, _kept(arms), wanted))
    for campaign in setting.of_baskets:
        if (campaign.kind == "tension") is shopper.seeks_discounts and shopper.is_reached_by(campaign):
            arms = list(_of_basket(campaign, shopper, setting))
            if arms:
                found.append(Branch(campaign, _kept(arms)))
    return sorted(found, key=lambda branch: (branch.campaign.campaign, branch.product))


def pays(arm: Arm) -> bool:
    return arm.margin > 0 and arm.uses > 0


def _kept(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    return tuple(sorted(arms, key=lambda arm: (-arm.margin, arm.level.id))[:MAX_ARMS])


def generosity_of(level: Level, price: float) -> float:
    """What a level takes off a product's price, in whole cents, rounded down so that no cap is passed by rounding.

    It depends on the level and on the product's price, never on the shopper: a product's price is shown differently by
    nothing but the level.
    """
    exact = price * level.percent / 100 if level.percent is not None else level.money or 0.0
    return math.floor(exact * 100 + 1e-6) / 100


def lawful(generosity: float, price: float, wanted: Wanted, setting: Setting) -> bool:
    """Whether the country's law lets so much be taken off this product, and something of the price is left."""
    cap = value_cap(setting.rules.country, setting.rules.kind_of(wanted.category, wanted.department))
    return 0 < generosity < price and (cap is None or generosity <= price * cap + 1e-9)


def promotion_arms(campaign: Campaign, wanted: Wanted, atoms: Array | None, setting: Setting) -> Iterator[Arm]:
    """The lawful levels of a promotion of one product, also those that do not pay.

    Args:
        atoms: of the shopper's baskets; None where too little is known, and what asks for a basket total has no arm.
    """
    price = round(setting.prices.get(wanted.product, 0.0), 2)
    if price <= 0 or wanted.probability <= 0:
        return
    margin = price * (setting.rules.basket_margin if campaign.margin is None else campaign.margin)
    elasticity = setting.elasticities.of(wanted.category)
    thresholds = setting.asked.get(campaign.campaign)
    if thresholds and atoms is None:
        return
    for level in campaign.generosity:
        off = generosity_of(level, price)
        if not lawful(off, price, wanted, setting):
            continue
        before = wanted.probability
        after = promoted(before, off / price, elasticity)
        gain, uses, asked = margin_of(before, after, margin, off), after, 0.0
        if thresholds and atoms is not None:
            # Only who wants the product stretches for it, and only who passes is given anything.
            found = reached(atoms, thresholds, off)
            passing = found.passes + found.won
            gains = passing * gain + setting.rules.basket_margin * after * found.added
            place = int(np.argmax(gains))
            gain, uses, asked = float(gains[place]), float(passing[place]) * after, thresholds[place]
        yield Arm(level, off, asked, before, after - before, gain, uses * off, uses)


def _of_basket(campaign: Campaign, shopper: ShopperView, setting: Setting) -> Iterator[Arm]:
    thresholds = setting.asked.get(campaign.campaign)
    if shopper.baskets is None or not thresholds:
        return
    for level in campaign.generosity:
        given = level.prize if level.prize is not None else level.money or 0.0
        cost = given * (level.chance or 1.0)
        best = best_threshold(shopper.baskets, thresholds, cost, cost, setting.rules.basket_margin)
        if best is not None:
            uses = best.passes + best.won
            yield Arm(level, given, best.value, best.passes, best.won, best.gain, uses * cost, uses)
