"""A shopper's parameters in plain words, with the figures they rest on. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from layers.learning import Reason
from layers.offers.considering import Considered, Outcome
from layers.offers.model import Setting
from layers.offers.written import BudgetUse
from layers.retailers import Retailer
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import PredictedProduct, ShopperParameters

PRODUCTS_TOLD = 10

LEAST_EFFECT = 0.01
"""In log-odds: a hundredth of the odds, below which a feature is said to have moved nothing."""


@dataclass(frozen=True, slots=True)
class Recounted:
    """One shopper worked out again as a run did.

    Attributes:
        run: its name. parameters: as it makes them. reasons: by product, what moved its probability most.
    """

    run: str
    parameters: ShopperParameters
    setting: Setting
    campaigns: Sequence[Considered]
    reasons: Mapping[str, Sequence[Reason]] = field(default_factory=dict)


def explained(parameters: ShopperParameters, retailer: Retailer, again: Recounted | str) -> list[str]:
    """Lines for people; names no shopper.

    Args:
        again: worked out anew, or why that cannot be.
    """
    return list(_lines(parameters, retailer.currency, again))


def _lines(p: ShopperParameters, currency: str, again: Recounted | str) -> Iterator[str]:
    at = f"{p.computed_at:%Y-%m-%d %H:%M} UTC"
    yield f"parameters {p.version}, computed {at}; since then no run found what a decision could tell from them"
    yield (
        f"{p.trips} orders were counted; one usually comes to {p.usual_basket:.2f} {currency}; a promotion asks for "
        f"{p.threshold:.2f} and gives {p.generosity:.2f}"
    )
    if p.segment:
        yield f"segment: {p.segment}"
    if p.churn is not None:
        yield f"no purchase in the next 28 days: {p.churn:.0%}"
    yield from p.why
    yield from _offers(p)
    yield from (_campaigns(p, again) if isinstance(again, Recounted) else (f"no more can be told: {again}",))
    reasons = again.reasons if isinstance(again, Recounted) else {}
    yield from _products("likely in the next basket", p.products[:PRODUCTS_TOLD], len(p.products), reasons)
    yield from _products("new to this shopper, and likely", p.discoveries, len(p.discoveries), {})
    if p.categories:
        best = sorted(p.categories.items(), key=lambda each: (-each[1], each[0]))[:PRODUCTS_TOLD]
        yield "categories: " + ", ".join(f"{name} {probability:.0%}" for name, probability in best)


def _offers(p: ShopperParameters) -> Iterator[str]:
    if p.control:
        yield (
            f"in the control group, which {p.group_propensity:.0%} are in for good: shown no promotion, no game and no "
            "tension of its own"
        )
    elif p.group_propensity < 1:
        yield f"not in the control group, as {p.group_propensity:.0%} are not"
    if not p.offers:
        yield "offers: none"
        return
    yield "offers that would be shown, were it not for the group:" if p.control else "offers, this week's draw:"
    branches: dict[tuple[str, str], list[ShopperOffer]] = {}
    for offer in p.offers:
        branches.setdefault((offer.campaign, offer.product), []).append(offer)
    for (campaign, product), held in branches.items():
        yield f"  {campaign}" + (f" on {product}" if product else "")
        for offer in held:
            said = "drawn" if offer.drawn else "not drawn"
            yield f"    {offer.offer}: {said}, at a probability of {offer.propensity:.0%}; {offer.why}"
        nothing = 1 - sum(offer.propensity for offer in held)
        if nothing > 1e-9:
            said = "not drawn" if any(offer.drawn for offer in held) else "drawn"
            yield f"    nothing: {said}, at a probability of {nothing:.0%}; so that it can be told what the offer adds"


def _held(p: ShopperParameters) -> set[tuple[str, str, str, float, float, bool]]:
    return {(o.campaign, o.offer, o.product, o.generosity, o.threshold, o.drawn) for o in p.offers}


def _campaigns(p: ShopperParameters, again: Recounted) -> Iterator[str]:
    if _held(again.parameters) != _held(p):
        yield f"what is known changed since run {again.run}: worked out again, the offers are others than those stored"
    others = [one for one in again.campaigns if one.outcome is not Outcome.OFFERED]
    running = len(again.setting.campaigns)
    yield f"of {running} campaigns of run {again.run}, {len(others)} possible offers were not made" + ":" * bool(others)
    for one in others:
        yield f"  {one.campaign}" + (f" on {one.product}" if one.product else "") + f": {one.outcome}; {one.reason}"


def budgets(sample: int, uses: Sequence[BudgetUse], promised: Mapping[str, float]) -> list[str]:
    """What the budgets of a run were expected to be used for, for people.

    Args:
        promised: by campaign, money a week, as all shards that are done added it up.
    """
    if not uses:
        return []
    lines = [f"budgets as weekly rates; what all use, expected of {sample} shoppers:"]
    for use in uses:
        cost = "costs nothing" if use.price == 0 else "is closed" if use.price > 1e6 else f"costs {use.price:.3g}"
        line = (
            f"  {use.of} {use.budget}: {use.expected:.2f} (at most {use.upper:.2f}) of {use.limit:.2f}; a unit {cost}"
        )
        done = f"; by all that are scored {promised.get(use.of, 0.0):.2f}" if use.budget == "money" else ""
        lines.append(line + done)
    return lines


def _products(
    title: str, products: tuple[PredictedProduct, ...], of: int, reasons: Mapping[str, Sequence[Reason]]
) -> Iterator[str]:
    if products:
        yield f"{title} ({len(products)} of {of}):"
    for product in products:
        said = "; ".join(each for each in (product.category or "", product.why) if each)
        yield f"  {product.probability:6.1%}  {product.id}" + (f"  {said}" if said else "")
        for reason in reasons.get(product.id, ()):
            if abs(reason.effect) < LEAST_EFFECT:
                continue
            known = "not known" if math.isnan(reason.value) else f"{reason.value:g}"
            yield f"          {reason.meaning or reason.feature}: {known}, odds times {math.exp(reason.effect):.2f}"
