"""Whom a campaign is for: each field alone, and that an offer of it reaches nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from layers.campaigns.terms import Audience, Predicted
from layers.offers.audience import Audiences
from layers.offers.branches import branches
from layers.offers.personal import offers_of
from layers.tree.parameters import PredictedProduct, ShopperParameters
from tests.rules.journeys import PARAMETERS
from tests.rules.offering import SHOPPER, TENSION, campaign, setting, settings_of, shoppers

LIKELY = Predicted(least=0.5, category="DAIRY")
KNOWN = replace(PARAMETERS, segment="champions", churn=0.1, discoveries=(PredictedProduct("new", 0.3),))

CASES: list[tuple[Audience, dict[str, Any], bool]] = [
    (Audience(), {}, True),
    (Audience(shoppers="new"), {"trips": 1}, True),
    (Audience(shoppers="new"), {"trips": 2}, False),
    (Audience(shoppers="known"), {"trips": 2}, True),
    (Audience(shoppers="known"), {"trips": 0}, False),
    (Audience(segments=("champions", "loyal")), {}, True),
    (Audience(segments=("loyal",)), {}, False),
    (Audience(segments=("loyal",)), {"segment": ""}, False),
    (Audience(predicted=(LIKELY,)), {}, True),
    (Audience(predicted=(LIKELY,)), {"categories": {"DAIRY": 0.49}}, False),
    (Audience(predicted=(LIKELY,)), {"categories": {}}, False),
    (Audience(predicted=(Predicted(least=0.9, product="usual0"),)), {}, True),
    (Audience(predicted=(Predicted(least=0.9, product="usual1"),)), {}, False),
    (Audience(predicted=(Predicted(least=0.3, product="new"),)), {}, True),
    (Audience(predicted=(Predicted(least=0.9, product="none"), LIKELY)), {}, True),
    (Audience(conditions=("shopper.trips > 10", "shopper.churn < 0.5")), {}, True),
    (Audience(conditions=("shopper.trips > 10", "shopper.churn > 0.5")), {}, False),
    (Audience(conditions=("1 / (shopper.trips - 25) > 0",)), {}, False),
    (Audience(segments=("champions",), shoppers="new"), {}, False),
]


@pytest.mark.parametrize(("audience", "changes", "reached"), CASES)
def test_an_example_of_each_field(audience: Audience, changes: dict[str, Any], reached: bool) -> None:
    one = campaign(audience=audience)
    assert Audiences([one]).reaching(replace(KNOWN, **changes)) == ({"coffee"} if reached else frozenset())


@given(st.sampled_from([case[0] for case in CASES]), st.sampled_from([case[0] for case in CASES]))
def test_campaigns_are_judged_apart(one: Audience, other: Audience) -> None:
    def reached(*found: Audience) -> frozenset[str]:
        return Audiences([campaign(campaign=f"c{n}", audience=each) for n, each in enumerate(found)]).reaching(KNOWN)

    assert ("c0" in reached(one, other)) is ("c0" in reached(one))
    assert ("c1" in reached(one, other)) is ("c0" in reached(other))


def test_who_is_not_reached_is_offered_nothing_of_it() -> None:
    run = setting(campaign(stores=("lille",)), TENSION)
    both = {branch.campaign.campaign for branch in branches(SHOPPER, run)}
    assert both == {"coffee", "step"}
    for reached in ({"coffee"}, {"step"}, set[str]()):
        view = SHOPPER.__class__(
            SHOPPER.shopper, SHOPPER.wanted, SHOPPER.baskets, SHOPPER.discount_share, reached=reached
        )
        assert {offer.campaign for offer in offers_of(view, run)} <= reached


@given(shoppers(), settings_of())
def test_what_is_drawn_says_where_and_until_when_it_holds(shopper: Any, run: Any) -> None:
    known = {one.campaign: one for one in run.campaigns}
    for offer in offers_of(shopper, run):
        assert offer.until == (known[offer.campaign].is_over() if offer.drawn else None)


def test_parameters_hold_what_scoring_knows_without_offers() -> None:
    assert isinstance(KNOWN, ShopperParameters) and Audiences([]).reaching(KNOWN) == frozenset()
