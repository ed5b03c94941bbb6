"""The offers of one shopper, as parameters hold them: chosen, drawn, and explained. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from layers.experiments.assignment import drawn, uniform
from layers.offers.branches import Arm, Branch, branches
from layers.offers.choosing import Choice, chosen
from layers.offers.model import Setting, ShopperView
from layers.tree.offer import ShopperOffer
from layers.tree.rounding import EXPECTED, digits


def offers_of(shopper: ShopperView, setting: Setting) -> tuple[ShopperOffer, ...]:
    """What the shopper's parameters hold: the drawn ones first, of falling margin, then what could have been drawn.

    The same for who is in the control group: what is shown there is decided where it is shown, and what would have been
    is kept to compare with.
    """
    if not setting.campaigns:
        return ()
    found = [
        offer
        for choice in chosen(shopper.shopper, branches(shopper, setting), setting)
        for offer in _drawn(shopper.shopper, choice, setting)
    ]
    return tuple(sorted(found, key=lambda o: (not o.drawn, -o.expected_margin, o.campaign, o.product, o.offer)))


def _drawn(shopper: str, choice: Choice, setting: Setting) -> Iterator[ShopperOffer]:
    branch = choice.branch
    propensities = branch.propensities(choice.best)
    nothing = max(0.0, 1.0 - sum(propensities))
    at = uniform("offer", setting.retailer_id, shopper, branch.campaign.campaign, branch.product, setting.week)
    place = drawn((*propensities, nothing), at)
    for number, (arm, propensity) in enumerate(zip(branch.arms, propensities, strict=True)):
        if propensity > 0:
            probability = digits(arm.probability, EXPECTED)
            yield ShopperOffer(
                campaign=branch.campaign.campaign,
                offer=arm.level.id,
                kind=branch.campaign.kind,
                product=branch.product,
                generosity=arm.generosity,
                threshold=arm.threshold,
                probability=probability,
                uplift=min(digits(arm.uplift, EXPECTED), round(1.0 - probability, 6)),
                expected_margin=digits(arm.margin, EXPECTED),
                expected_cost=digits(arm.cost, EXPECTED),
                propensity=propensity,
                drawn=number == place,
                why=why(branch, arm, setting),
                # Of what is not drawn nothing is shown, so nothing need be known.
                stores=branch.campaign.stores if number == place else (),
                until=branch.campaign.is_over() if number == place else None,
                purposes=branch.campaign.audience.purposes if number == place else (),
            )


def why(branch: Branch, arm: Arm, setting: Setting) -> str:
    """In plain words, with the figures."""
    expected = f"expected to bring {arm.margin:.2f} a trip after {arm.cost:.2f} given away"
    if branch.wanted is not None:
        elasticity = setting.elasticities.of(branch.wanted.category)
        asked = f", from a basket of {arm.threshold:g} on" if arm.threshold else ""
        return (
            f"bought on {arm.probability:.0%} of trips; {arm.generosity:.2f} off{asked} makes it "
            f"{arm.probability + arm.uplift:.0%} (elasticity {elasticity:.2f}); {expected}"
        )
    reward = (
        f"a game for {arm.generosity:g}, because hardly anything was bought with a discount"
        if branch.campaign.kind == "game"
        else f"{arm.generosity:g} off"
    )
    anyway = f"{arm.probability:.0%} of baskets reach {arm.threshold:g} anyway"
    return f"{anyway}, {arm.uplift:.0%} more for {reward}; {expected}"
