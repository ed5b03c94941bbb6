"""A shop whose truth is known, on which the estimators are tried before they are believed. Pure, with a seed.

Its offers come from `layers.offers` as a real shop's do, from predictions that are a little wrong and elasticities that
are not each category's own; who is shown what is drawn with the propensities that stand in the offers. What a visit
brings is the margin of a basket that has nothing to do with the offer, and of the promoted product if it is bought:
by a probability that follows the true elasticity. So the true worth of every policy can be computed and not only
estimated.

What it is not: a model of any real shopper. It shows that the estimators find what is there, not what is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from layers.campaigns.model import Budget, Campaign, HouseRules, Level
from layers.experiments.judging.logged import ARM_FEATURES, NOTHING, VISIT_FEATURES, Floats, Integers, Logged
from layers.offers.branches import Branch, branches
from layers.offers.elasticity import Elasticities
from layers.offers.model import Setting, ShopperView, Wanted
from layers.offers.uplift import promoted

CONTROL = 0.1
TRUE_ELASTICITIES = {"COFFEE": -3.2, "CEREAL": -2.4, "SOAP": -3.8}
BELIEVED = Elasticities({"COFFEE": -2.6, "CEREAL": -2.7, "SOAP": -3.0})
MARGIN = 0.6
BASKET_MARGIN = 0.25
_AT = datetime(2026, 11, 22, 3, tzinfo=UTC)

CAMPAIGN = Campaign(
    campaign="simulated",
    kind="promotion",
    categories=tuple(TRUE_ELASTICITIES),
    generosity=(Level(percent=10.0), Level(percent=20.0), Level(percent=30.0)),
    margin=MARGIN,
    budget=Budget(money=1e9),
    starts=date(2026, 1, 1),
    ends=date(2026, 12, 31),
    timezone="Europe/Paris",
    exploration=0.3,
)


@dataclass(frozen=True, slots=True)
class Shop:
    """Every kind of visit that there is, equally likely.

    Attributes:
        logged: each once, with nothing drawn yet and no reward.
        worth: (n, a): the true expected reward of each alternative.
        buys: (n, a): the true probability that the promoted product is bought. earned: (n, a): the margin if so.
        basket: (n,): the mean margin of the rest of the basket.
    """

    logged: Logged
    worth: Floats
    buys: Floats
    earned: Floats
    basket: Floats

    def true_value(self, policy: Floats) -> float:
        """Mean reward a visit of a policy, exactly."""
        return float((policy * self.worth).sum(axis=1).mean())


def shop(kinds: int = 400, seed: int = 1) -> Shop:
    """Args:
    kinds: of visits, at least 1.
    """
    rng = np.random.default_rng(seed)
    categories = tuple(TRUE_ELASTICITIES)
    n, a = kinds, len(CAMPAIGN.generosity) + 1
    arms = np.zeros((n, a, len(ARM_FEATURES)))
    there = np.zeros((n, a), dtype=np.bool_)
    probabilities = np.zeros((n, a))
    buys, earned = np.zeros((n, a)), np.zeros((n, a))
    true = rng.beta(2.0, 6.0, n)
    believed = np.clip(true * rng.lognormal(0.0, 0.3, n), 0.01, 0.95)
    prices = np.round(rng.uniform(2.0, 9.0, n), 2)
    spent = rng.gamma(4.0, 60.0, n)
    for row in range(n):
        category = categories[row % len(categories)]
        setting = Setting("simulated", _AT, (CAMPAIGN,), _RULES, {"product": float(prices[row])}, BELIEVED)
        view = ShopperView("anybody", (Wanted("product", float(believed[row]), category),), None, 0.5)
        found = branches(view, setting)
        # The control group is shown nothing, whatever was drawn.
        branch = found[0] if found else None
        drawn = branch.propensities(0) if branch else ()
        there[row, : len(drawn) + 1] = True
        probabilities[row, 1 : len(drawn) + 1] = [(1 - CONTROL) * p for p in drawn]
        probabilities[row, NOTHING] = 1 - probabilities[row].sum()
        buys[row, :] = true[row]
        earned[row, :] = MARGIN * prices[row]
        if branch is not None:
            _fill(branch, float(prices[row]), float(true[row]), category, arms[row], buys[row], earned[row])
    basket = BASKET_MARGIN * spent / 6.0
    visits = np.stack([believed, spent, rng.poisson(6.0, n).astype(np.float64)], axis=1)
    assert visits.shape[1] == len(VISIT_FEATURES)
    nobody: Integers = np.arange(n, dtype=np.int64)
    logged = Logged(arms, visits, there, probabilities, np.zeros(n, dtype=np.int64), np.zeros(n), nobody)
    return Shop(logged, basket[:, None] + buys * earned, buys, earned, basket)


_RULES = HouseRules(country="FR", basket_margin=BASKET_MARGIN)


def _fill(branch: Branch, price: float, true: float, category: str, arms: Floats, buys: Floats, earned: Floats) -> None:
    """One row of each array, by the branch's arms in their order after nothing."""
    for place, arm in enumerate(branch.arms, 1):
        arms[place] = (
            1.0,
            arm.generosity,
            float(arm.threshold > 0),
            arm.probability,
            arm.uplift,
            arm.margin,
            arm.cost,
        )
        buys[place] = promoted(true, arm.generosity / price, TRUE_ELASTICITIES[category])
        earned[place] = MARGIN * price - arm.generosity


def visited(shop: Shop, visits: int, rng: np.random.Generator, per_shopper: float = 1.5) -> tuple[Logged, Integers]:
    """As many visits as it had, drawn and logged as a real shop's are.

    Args:
        per_shopper: visits of one shopper, on average; they share the kind of visit and its luck with the basket.

    Returns:
        The log, and of each visit the kind that it was.
    """
    shoppers = rng.integers(0, max(1, int(visits / per_shopper)), visits)
    kinds = rng.integers(0, len(shop.logged), int(shoppers.max()) + 1)[shoppers]
    base = shop.logged.some(kinds)
    reached = base.probabilities.cumsum(axis=1)
    chosen = np.minimum((rng.random(visits)[:, None] >= reached).sum(axis=1), base.there.shape[1] - 1)
    rows = np.arange(visits)
    luck = rng.lognormal(-0.125, 0.5, int(shoppers.max()) + 1)[shoppers]
    bought = rng.random(visits) < shop.buys[kinds, chosen]
    rewards = shop.basket[kinds] * luck + bought * shop.earned[kinds, chosen]
    assert base.there[rows, chosen].all()
    return (
        Logged(base.arms, base.visits, base.there, base.probabilities, chosen, rewards, shoppers),
        kinds,
    )
