"""Control group and propensities in decisions: who is shown what, what is logged of it, the same at every replay."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.tree.decision import Decision
from layers.tree.folding import arrival
from layers.tree.journey import Standing, advance, page_now
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import ShopperParameters
from layers.tree.reading import read_yaml
from layers.tree.showing import ShownGame, ShownPromotion, ShownRecommendation, ShownTension
from layers.tree.treatment import behind, is_treatment, read_logged, treatment_of
from layers.tree.wording import Wording
from tests.rules.journeys import OFFERS, PARAMETERS, record

EXAMPLE = Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml"
TREE = read_yaml(EXAMPLE.read_text())
TREATED = msgspec.structs.replace(PARAMETERS, group_propensity=0.95)
CONTROL = msgspec.structs.replace(PARAMETERS, control=True, group_propensity=0.05)
VISIT = [
    record("PageViewed", 0),
    *(record("AddedToBasket", n, product=f"usual{n}", price=4.0) for n in range(1, 3)),
    record("AddedToBasket", 3, product="more", price=32),
    record("AddedToBasket", 4, product="again", price=15),
]
"""Past a favourite missing near the threshold, to the reward."""


def decided(parameters: ShopperParameters | None) -> list[Decision]:
    return advance(None, VISIT, Standing(TREE, parameters, granted_by_default=True))[1]


def kinds(decision: Decision) -> list[str]:
    return [shown["kind"] for shown in json.loads(decision.shown)]


def test_the_control_group_moves_as_everybody_and_is_shown_no_treatment() -> None:
    treated, control = decided(TREATED), decided(CONTROL)
    assert [d.node_after for d in treated] == [d.node_after for d in control]
    assert any("promotion" in kinds(d) for d in treated)
    assert not any({"promotion", "game"} & set(kinds(d)) for d in control)
    for one, other in zip(treated, control, strict=True):
        kept = [kind for kind in kinds(one) if kind == "recommendation"]
        assert kinds(other) == (kept or ["default"])
        assert (one.control, other.control) == (False, True)


def test_a_propensity_is_of_the_group_and_of_every_offer_shown() -> None:
    for one, other in zip(decided(TREATED), decided(CONTROL), strict=True):
        if "promotion" in kinds(one):
            assert one.propensity == pytest.approx(0.95 * 0.9)
            assert other.propensity == 0.05
        elif {"game", "tension"} & set(kinds(one)):
            assert (one.propensity, other.propensity) == (0.95, 0.05)
        else:
            assert one.propensity == other.propensity == 1.0


def test_a_visits_first_decision_logs_all_that_is_held_and_later_ones_what_is_shown() -> None:
    for parameters in (TREATED, CONTROL):
        first, *later = decided(parameters)
        assert [(o.offer, o.propensity, o.drawn) for o in read_logged(first.offers)] == [
            ("percent_20", 0.9, True),
            ("percent_10", 0.05, False),
        ]
        shown = [d for d in later if d.offers]
        assert shown and all(read_logged(d.offers) == read_logged(first.offers) for d in shown)
    assert all(d.offers is None for d in decided(TREATED)[1:] if "promotion" not in kinds(d))


def test_nothing_is_logged_of_who_has_no_parameters_or_refused() -> None:
    for decision in decided(None):
        assert (decision.control, decision.propensity, decision.offers) == (None, 1.0, None)
    refusing = Standing(TREE, CONTROL, granted_by_default=False)
    for decision in advance(None, VISIT, refusing)[1]:
        assert (decision.control, decision.propensity, decision.offers) == (None, 1.0, None)


@given(st.booleans(), st.floats(0.01, 1), st.floats(0.01, 1))
@settings(max_examples=25)
def test_replay_gives_the_same_bits(control: bool, group: float, propensity: float) -> None:
    offers = (msgspec.structs.replace(OFFERS[0], propensity=propensity), *OFFERS[1:])
    parameters = msgspec.structs.replace(PARAMETERS, control=control, group_propensity=group, offers=offers)
    assert decided(parameters) == decided(parameters)
    assert all(0 < d.propensity <= 1 for d in decided(parameters))


def test_a_page_keeps_treatments_from_the_control_group_too() -> None:
    wording = Wording("en-GB", "GBP")
    for parameters in (TREATED, CONTROL):
        standing = Standing(TREE, parameters, granted_by_default=True)
        for count in range(1, len(VISIT) + 1):
            state, decisions = advance(None, VISIT[:count], standing)
            _, shown, _ = page_now(state, standing, fresh=False, consent=None, wording=wording)
            assert [type(one).__name__.removeprefix("Shown").lower() for one in shown] == kinds(decisions[-1])


def test_only_what_is_the_shoppers_own_is_a_treatment() -> None:
    found = {
        (place.node.id, type(shown.definition).__name__.lower()): is_treatment(shown)
        for place in TREE.places.values()
        for shown in place.show
    }
    assert found["newcomer", "tension"] is False  # The same 40 for everybody.
    assert found["just_short", "tension"] is True
    assert {kind for (_, kind), treats in found.items() if treats} == {"promotion", "game", "tension"}
    assert not any(treats for (_, kind), treats in found.items() if kind == "recommendation")


TENSION = ShopperOffer(campaign="step", offer="money_2", kind="tension", generosity=2.0, threshold=60.0, propensity=0.8)
GAME = ShopperOffer(campaign="wheel", offer="prize_5", kind="game", generosity=5.0, threshold=70.0, propensity=0.7)


@pytest.mark.parametrize(
    ("experience", "offer"),
    [
        (ShownPromotion(slot="main", product="usual3", generosity=1.0, threshold=50.0), OFFERS[0]),
        (ShownPromotion(slot="main", product="usual3", generosity=0.5, threshold=50.0), None),
        (ShownPromotion(slot="main", product="usual4", generosity=1.0, threshold=50.0), None),
        (ShownTension(slot="main", threshold=60.0, missing=5.0, progress=0.9), TENSION),
        (ShownTension(slot="main", threshold=61.0, missing=5.0, progress=0.9), None),
        (ShownGame(slot="main", name="wheel", prize=5.0), GAME),
        (ShownRecommendation(slot="main", products=("usual3",)), None),
    ],
)
def test_an_experience_is_laid_to_the_drawn_offer_that_it_shows(
    experience: ShownPromotion | ShownTension | ShownGame | ShownRecommendation, offer: ShopperOffer | None
) -> None:
    assert behind(experience, (*OFFERS, TENSION, GAME)) == offer


def test_two_offers_shown_multiply_and_one_shown_twice_counts_once() -> None:
    parameters = msgspec.structs.replace(TREATED, offers=(*OFFERS, TENSION))
    promotion = ShownPromotion(slot="main", product="usual3", generosity=1.0, threshold=50.0)
    tension = ShownTension(slot="basket", threshold=60.0, missing=5.0, progress=0.9)
    treatment = treatment_of(parameters, [promotion, tension, promotion], starts=False)
    assert treatment.propensity == pytest.approx(0.95 * 0.9 * 0.8)
    assert len(read_logged(treatment.offers)) == 3
    assert treatment_of(parameters, [], starts=False).offers is None


def test_a_promotion_of_what_was_just_bought_is_not_offered() -> None:
    bought = record("OrderPaid", 5, total=12, lines=[{"product": "usual3", "paid": 12}])
    state, decisions = advance(None, [*VISIT, bought], Standing(TREE, TREATED, granted_by_default=True))
    assert state is not None and state.order.products == ("usual3",)
    assert "promotion" not in kinds(decisions[-1])
    assert arrival("root", 0, None).order.products == ()
