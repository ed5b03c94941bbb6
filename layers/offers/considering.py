"""Of every campaign that runs, what was made of it for one shopper: offered, or why not, with figures. Pure.

Goes the way of `personal` again and notes where each campaign is left behind, so it can be asked of any shopper at any
time; nothing of it is kept. Does not own the words of an offer that is held (`personal.why`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from layers.campaigns.model import Campaign
from layers.offers.branches import Branch, branches, generosity_of, lawful, promotion_arms
from layers.offers.choosing import Choice, chosen, factor, obstacle
from layers.offers.model import DISCOUNT_SEEKING, Setting, ShopperView, Wanted


class Outcome(StrEnum):
    OFFERED = "offered"
    NOT_FOR_THEM = "not for this shopper"
    NOT_BOUGHT = "nothing of it is bought"
    UNKNOWN = "too little is known"
    UNLAWFUL = "the law"
    LOSES = "does not pay"
    BUDGET = "the budget is worth more elsewhere"
    BEATEN = "others are worth more"


@dataclass(frozen=True, slots=True)
class Considered:
    """Attributes:
    product: empty where the campaign was left behind before any product, or promotes none.
    reason: in words, with figures.
    """

    campaign: str
    product: str
    outcome: Outcome
    reason: str


def considered(shopper: ShopperView, setting: Setting) -> list[Considered]:
    """Every campaign at least once, a promotion once for each product that the shopper wants; by campaign."""
    found = branches(shopper, setting)
    taken = chosen(shopper.shopper, found, setting)
    by_campaign: dict[str, list[Branch]] = {}
    for branch in found:
        by_campaign.setdefault(branch.campaign.campaign, []).append(branch)
    told: list[Considered] = []
    for campaign in sorted(setting.campaigns, key=lambda each: each.campaign):
        own = by_campaign.get(campaign.campaign, [])
        told += [_of_branch(shopper, branch, taken, setting) for branch in own]
        told += _left_behind(shopper, campaign, {branch.product for branch in own}, setting)
    return told


def _of_branch(shopper: ShopperView, branch: Branch, taken: Sequence[Choice], setting: Setting) -> Considered:
    best, value = branch.best(setting.budget_prices, factor(shopper.shopper, branch, setting))
    margin, cost, _ = branch.mixtures[best]
    name = branch.campaign.campaign, branch.product
    beside = [choice.branch for choice in taken]
    if branch in beside:
        at = branch.propensities(best)[best]
        level = branch.arms[best].level.id
        return Considered(*name, Outcome.OFFERED, f"brings {value:.2f} a trip; {level} is drawn with {at:.0%}")
    brings = f"would bring {margin:.2f} a trip"
    if value <= 0:
        used = f"and the {cost:.2f} that it gives away are worth {margin - value:.2f} to the budget tonight"
        return Considered(*name, Outcome.BUDGET, f"{brings}, {used}")
    why = obstacle(branch, beside, setting.rules)
    reason = why.value if why is not None else "many others are worth more"
    return Considered(*name, Outcome.BEATEN, f"{brings}, but {reason}")


def _left_behind(shopper: ShopperView, campaign: Campaign, offered: set[str], setting: Setting) -> Iterator[Considered]:
    if not shopper.is_reached_by(campaign):
        yield Considered(campaign.campaign, "", Outcome.NOT_FOR_THEM, "its audience does not hold this shopper")
        return
    id, share = campaign.campaign, f"{shopper.discount_share:.0%} of the value bought came off in discounts"
    seeks = campaign.kind != "game"
    if seeks is not shopper.seeks_discounts:
        whom = f"who saves {'at least' if seeks else 'less than'} {DISCOUNT_SEEKING:.0%} by them"
        yield Considered(id, "", Outcome.NOT_FOR_THEM, f"{share}; a {campaign.kind} is for {whom}")
        return
    if campaign.kind != "promotion":
        if not offered:
            yield _of_basket(shopper, campaign, setting)
        return
    wanted = [each for each in shopper.wanted if campaign in setting.promotions_of(each)]
    if not wanted:
        yield Considered(id, "", Outcome.NOT_BOUGHT, "nothing that it promotes was bought before")
    for each in wanted:
        if each.product not in offered:
            yield _of_product(shopper, campaign, each, setting)


def _of_basket(shopper: ShopperView, campaign: Campaign, setting: Setting) -> Considered:
    if shopper.baskets is None:
        return Considered(campaign.campaign, "", Outcome.UNKNOWN, "too few trips to know what baskets come to")
    asked = setting.asked.get(campaign.campaign, ())
    between = f"from {min(asked):g} to {max(asked):g}" if asked else "that may be asked for"
    reason = f"no basket total {between} wins more than it gives to baskets that come there anyway"
    return Considered(campaign.campaign, "", Outcome.LOSES, reason)


def _of_product(shopper: ShopperView, campaign: Campaign, wanted: Wanted, setting: Setting) -> Considered:
    name = campaign.campaign, wanted.product
    price = round(setting.prices.get(wanted.product, 0.0), 2)
    if price <= 0:
        return Considered(*name, Outcome.UNKNOWN, "its usual price is not known, so no cap could be checked")
    if wanted.probability <= 0:
        return Considered(*name, Outcome.NOT_BOUGHT, "it is not expected to be bought")
    if campaign.threshold is not None and shopper.baskets is None:
        return Considered(*name, Outcome.UNKNOWN, "too few trips to know what baskets come to")
    off = [generosity_of(level, price) for level in campaign.generosity]
    if not any(lawful(each, price, wanted, setting) for each in off):
        reason = (
            f"the law of {setting.rules.country} allows no level of it: the least is {min(off):.2f} off {price:.2f}"
        )
        return Considered(*name, Outcome.UNLAWFUL, reason)
    atoms = shopper.baskets.atoms() if shopper.baskets else None
    arms = list(promotion_arms(campaign, wanted, atoms, setting))
    best = max(arms, key=lambda arm: arm.margin)
    reason = (
        f"bought on {best.probability:.0%} of trips anyway; {best.generosity:.2f} off would make it "
        f"{best.probability + best.uplift:.0%} and lose {-best.margin:.2f} a trip"
    )
    return Considered(*name, Outcome.LOSES, reason)
