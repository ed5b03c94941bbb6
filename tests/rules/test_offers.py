"""The offers of a shopper: lawful, profitable, within the limits, the best set there is, and drawn as they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from layers.campaigns.law import value_cap
from layers.campaigns.model import HouseRules, Level, Thresholds
from layers.offers.baskets import Baskets
from layers.offers.branches import MAX_ARMS, branches, generosity_of
from layers.offers.choosing import JITTER, Obstacle, chosen, factor, fits
from layers.offers.considering import Outcome, considered
from layers.offers.elasticity import Elasticities
from layers.offers.model import BudgetPrices, Setting, ShopperView, Wanted
from layers.offers.personal import offers_of
from layers.offers.tables import setting_of, view_of
from layers.offers.written import UnreadableSetting, read_setting, write_setting
from layers.tree.offer import MAX_OFFERS, ShopperOffer, drawn
from layers.tree.parameters import ShopperParameters, decode_parameters, encode_parameters
from tests.rules.offering import (
    AT,
    BASKETS,
    GAME,
    PRICES,
    RULES,
    SHOPPER,
    TENSION,
    campaign,
    setting,
    settings_of,
    shoppers,
)


@given(shoppers(), settings_of())
@few(max_examples=80)
def test_whatever_runs_and_whoever_shops(shopper: ShopperView, run: Setting) -> None:
    kept = offers_of(shopper, run)
    assert kept == offers_of(shopper, run)
    _are_lawful_and_declared(kept, shopper, run)
    _keep_to_the_limits(kept, run)
    _pay_and_suit(kept, shopper)
    _are_drawn_as_they_say(kept, run)
    parameters = ShopperParameters(
        version="v",
        computed_at=AT,
        usual_basket=40.0,
        threshold=50.0,
        generosity=0.0,
        trips=3,
        offers=kept,
        control=True,
        group_propensity=0.05,
    )
    assert decode_parameters(encode_parameters(parameters)) == parameters


@given(shoppers(), settings_of())
@few(max_examples=60)
def test_of_every_campaign_it_is_told_what_became_of_it(shopper: ShopperView, run: Setting) -> None:
    told = considered(shopper, run)
    assert {one.campaign for one in told} == {campaign.campaign for campaign in run.campaigns}
    names = [(one.campaign, one.product) for one in told]
    assert len(set(names)) == len(names)
    offered = {(one.campaign, one.product) for one in told if one.outcome is Outcome.OFFERED}
    assert offered == {(offer.campaign, offer.product) for offer in offers_of(shopper, run)}
    paying = {(branch.campaign.campaign, branch.product) for branch in branches(shopper, run)}
    outcomes = (Outcome.OFFERED, Outcome.BUDGET, Outcome.BEATEN)
    assert paying == {(one.campaign, one.product) for one in told if one.outcome in outcomes}
    free = replace(run, budget_prices=BudgetPrices())
    assert not any(one.outcome is Outcome.BUDGET for one in considered(shopper, free))
    assert all(one.reason and shopper.shopper not in one.reason for one in told)


@pytest.mark.parametrize(
    ("changes", "shopper", "outcome", "figure"),
    [
        ({}, {}, Outcome.OFFERED, "percent_20 is drawn with 92%"),
        ({}, {"discount_share": 0.04}, Outcome.NOT_FOR_THEM, "4% of the value"),
        ({"categories": ("TEA",)}, {}, Outcome.NOT_BOUGHT, "nothing that it promotes"),
        ({"generosity": (Level(percent=38.0),)}, {}, Outcome.UNLAWFUL, "1.32 off 3.49"),
        ({"margin": 0.2}, {}, Outcome.LOSES, "34% of trips anyway"),
        ({"threshold": Thresholds(40, 60, 5)}, {"baskets": None}, Outcome.UNKNOWN, "too few trips"),
        ({"products": ("toy1",), "categories": ()}, {"wanted": (Wanted("toy1", 0.0),)}, Outcome.NOT_BOUGHT, "expected"),
        ({"products": ("new",), "categories": ()}, {"wanted": (Wanted("new", 0.3),)}, Outcome.UNKNOWN, "price"),
    ],
)
def test_why_a_campaign_was_left_behind(
    changes: dict[str, Any], shopper: dict[str, Any], outcome: Outcome, figure: str
) -> None:
    run = setting(campaign(**changes))
    one = considered(replace(SHOPPER, **{"wanted": SHOPPER.wanted[:1], **shopper}), run)
    assert [each.outcome for each in one] == [outcome] and figure in one[0].reason


def test_what_a_budget_or_another_offer_takes_the_place_of() -> None:
    dear = setting(campaign(), budget_prices=BudgetPrices({"coffee": 5.0}))
    assert {one.outcome for one in considered(SHOPPER, dear)} == {Outcome.BUDGET}
    beaten = [one for one in considered(SHOPPER, setting(campaign())) if one.outcome is Outcome.BEATEN]
    assert [(one.product, Obstacle.CAMPAIGN.value in one.reason) for one in beaten] == [("coffee2", True)]


@given(shoppers(), settings_of())
@few(max_examples=40)
def test_a_setting_that_was_written_down_decides_the_same(shopper: ShopperView, run: Setting) -> None:
    kept = write_setting(run)
    again = read_setting(kept)
    assert offers_of(shopper, again) == offers_of(shopper, run) and considered(shopper, again) == considered(
        shopper, run
    )
    assert write_setting(again) == kept, "the same setting is the same text, so it has the same name"


@pytest.mark.parametrize("text", ["", "{}", write_setting(setting()).replace('"format":1', '"format":2')])
def test_a_setting_of_other_code_is_not_guessed_at(text: str) -> None:
    with pytest.raises(UnreadableSetting, match="setting"):
        read_setting(text)


def _are_lawful_and_declared(kept: Sequence[ShopperOffer], shopper: ShopperView, run: Setting) -> None:
    """A product's price is shown differently by nothing but a level that a running campaign declares for it, taken off
    a price that is the same for everybody."""
    running = {c.campaign: c for c in run.campaigns}
    wanted = {w.product: w for w in shopper.wanted}
    for offer in kept:
        of = running[offer.campaign]
        level = next(level for level in of.generosity if level.id == offer.offer)
        assert offer.kind == of.kind
        assert offer.threshold == 0 if of.threshold is None else offer.threshold in of.threshold.values()
        if of.kind != "promotion":
            assert offer.product == "" and offer.generosity == (level.prize or level.money)
            continue
        product, price = wanted[offer.product], run.prices[offer.product]
        assert offer.generosity == generosity_of(level, price) < price
        assert product.category in of.categories and of.brand in ("", product.brand)
        cap = value_cap(run.rules.country, run.rules.kind_of(product.category, product.department))
        assert cap is None or offer.generosity <= price * cap + 1e-9


def _keep_to_the_limits(kept: Sequence[ShopperOffer], run: Setting) -> None:
    running = {c.campaign: c for c in run.campaigns}
    held = {(offer.campaign, offer.product) for offer in kept}
    assert len(kept) <= MAX_OFFERS and len(held) <= run.rules.offers_per_shopper
    products = [product for _, product in held if product]
    assert len(set(products)) == len(products)
    groups: dict[str, set[str]] = {}
    for id, of in running.items():
        mine = sum(name == id for name, _ in held)
        assert mine <= of.per_shopper
        if mine and of.exclusive:
            groups.setdefault(of.exclusive, set()).add(id)
    assert all(len(names) == 1 for names in groups.values())
    for brand in {of.brand for of in running.values()} - {""}:
        assert sum(running[name].brand == brand for name, _ in held) <= run.rules.per_brand


def _pay_and_suit(kept: Sequence[ShopperOffer], shopper: ShopperView) -> None:
    for offer in kept:
        assert offer.expected_margin >= 0 and offer.expected_cost >= 0 and offer.why
        assert (offer.kind == "game") is (not shopper.seeks_discounts)
        assert 0 <= offer.probability + offer.uplift <= 1 + 1e-6


def _are_drawn_as_they_say(kept: Sequence[ShopperOffer], run: Setting) -> None:
    running = {c.campaign: c for c in run.campaigns}
    for id, product in {(offer.campaign, offer.product) for offer in kept}:
        arms = [o for o in kept if (o.campaign, o.product) == (id, product)]
        epsilon = running[id].exploration
        assert sum(o.drawn for o in arms) <= 1 and len(arms) <= MAX_ARMS
        if epsilon:
            nothing = 1 - sum(o.propensity for o in arms)
            assert min([nothing, *(o.propensity for o in arms)]) >= epsilon / (len(arms) + 1) - 1e-9
        else:
            assert [o.propensity for o in arms] == [1.0] and arms[0].drawn
    assert drawn(kept) == tuple(o for o in kept if o.drawn) == tuple(kept[: sum(o.drawn for o in kept)])


@given(settings_of(), st.lists(shoppers(), min_size=2, max_size=3))
@few(max_examples=30)
def test_two_shoppers_never_see_one_level_of_a_product_as_two_amounts(run: Setting, several: list[ShopperView]) -> None:
    amounts: dict[tuple[str, str], set[float]] = {}
    for shopper in several:
        for offer in offers_of(shopper, run):
            amounts.setdefault((offer.offer, offer.product), set()).add(offer.generosity)
    assert all(len(found) == 1 for found in amounts.values())


@given(shoppers(), settings_of())
@few(max_examples=50)
def test_no_other_set_is_worth_more(shopper: ShopperView, run: Setting) -> None:
    """Against every subset, on those few branches that can be enumerated."""
    found = branches(shopper, run)[:9]
    values = {id(b): b.best(run.budget_prices, factor(shopper.shopper, b, run))[1] for b in found}
    best = 0.0
    for size in range(min(len(found), run.rules.offers_per_shopper) + 1):
        for some in combinations(found, size):
            if all(fits(one, some[:place], run.rules) for place, one in enumerate(some)):
                best = max(best, sum(values[id(one)] for one in some))
    assert sum(choice.value for choice in chosen(shopper.shopper, found, run)) == pytest.approx(best, abs=1e-9)


@given(shoppers(), settings_of(), st.floats(0.1, 50))
@few(max_examples=40)
def test_a_dearer_budget_is_never_used_more(shopper: ShopperView, run: Setting, price: float) -> None:
    dear = replace(run, budget_prices=BudgetPrices({c.campaign: price for c in run.campaigns}))
    free = replace(run, budget_prices=BudgetPrices())
    worth = sum(c.value for c in chosen(shopper.shopper, branches(shopper, dear), dear))
    assert worth <= sum(c.value for c in chosen(shopper.shopper, branches(shopper, free), free)) + 1e-9


def test_an_example_by_hand() -> None:
    """Coffee at 3.49 with a margin of 60 %, bought on 34 % of trips, elasticity -3. A fifth off is 0.69 and sells
    1 - 0.66^(0.8023^-3) = 0.5528: 0.2128 x (2.094 - 0.69) - 0.34 x 0.69 = 0.0641. A tenth brings 0.0452, three 0.0249.
    """
    run = setting(campaign(exploration=0.0))
    [offer] = offers_of(SHOPPER, replace(run, rules=replace_rules(offers_per_shopper=1)))
    assert (offer.product, offer.offer, offer.generosity, offer.threshold) == ("coffee1", "percent_20", 0.69, 0.0)
    assert offer.uplift == 0.213
    assert offer.expected_margin == pytest.approx(0.0641, abs=1e-4)
    assert offer.expected_cost == pytest.approx(0.5528 * 0.69, abs=5e-4)
    assert "bought on 34% of trips; 0.69 off makes it 55% (elasticity -3.00); expected to bring 0.06" in offer.why
    [branch] = [b for b in branches(SHOPPER, run) if b.product == "coffee1"]
    assert [round(arm.margin, 4) for arm in branch.arms] == [0.0641, 0.0452, 0.0249]


def replace_rules(**changes: object) -> HouseRules:
    return msgspec.structs.replace(RULES, **changes)


def test_at_the_pooled_elasticity_a_plain_discount_does_not_pay() -> None:
    """A cut of a share d sells about 1.13 d more and costs d on what sold anyway: no margin below 1/1.13 covers it."""
    run = setting(campaign(categories=("UNHEARD",), margin=0.8), elasticities=Elasticities())
    shopper = replace(SHOPPER, wanted=(Wanted("coffee1", 0.3, "UNHEARD"),))
    assert offers_of(shopper, run) == ()


def test_games_are_for_who_needs_no_discount_and_tensions_for_the_others() -> None:
    both = setting(TENSION, GAME)
    assert {o.kind for o in offers_of(SHOPPER, both)} == {"tension"}
    assert {o.kind for o in offers_of(replace(SHOPPER, discount_share=0.02), both)} == {"game"}
    assert offers_of(replace(SHOPPER, baskets=None), both) == ()


def test_a_game_tells_its_prize_and_costs_its_chance() -> None:
    [game] = offers_of(replace(SHOPPER, discount_share=0.0), setting(msgspec.structs.replace(GAME, exploration=0.0)))
    assert game.generosity == 10.0
    assert game.expected_cost == pytest.approx((game.probability + game.uplift) * 0.2, abs=1e-3)
    assert "a game for 10, because hardly anything was bought with a discount" in game.why


@pytest.mark.parametrize(("category", "most"), [("COFFEE", 0.34), ("SOAP", 0.40), ("UNHEARD", 0.34), ("TOYS", 0.60)])
def test_the_cap_is_of_the_products_kind(category: str, most: float) -> None:
    """What nobody declared is capped as strictly as food; what is not of daily use is not capped."""
    levels = tuple(Level(percent=float(p)) for p in (33, 34, 35, 40, 41, 60))
    run = setting(
        campaign(categories=(category,), generosity=levels, margin=1.0, exploration=0.0), prices={"one": 10.0}
    )
    run = replace(run, elasticities=Elasticities({category: -4.0}))
    shopper = replace(SHOPPER, wanted=(Wanted("one", 0.02, category),))
    [branch] = branches(shopper, run)
    offered = {arm.generosity for arm in branch.arms}
    assert max(offered) <= most * 10 + 1e-9
    assert len(offered) == min(
        MAX_ARMS, sum(level.percent is not None and level.percent <= most * 100 for level in levels)
    )


@given(st.integers(1, 100_000), st.integers(1, 100))
def test_rounding_never_passes_a_cap(cents: int, percent: int) -> None:
    price = cents / 100
    assert generosity_of(Level(percent=float(percent)), price) <= price * percent / 100 + 1e-9


def test_a_product_without_a_price_is_not_promoted() -> None:
    assert offers_of(SHOPPER, setting(campaign(), prices={})) == ()
    assert offers_of(SHOPPER, setting(campaign(), prices={"coffee1": 0.001})) == ()


def test_a_week_keeps_its_draw_and_the_next_draws_anew() -> None:
    """Over many shoppers: within a week all the same, a week later as many differ as exploration explains."""
    run = setting(campaign(exploration=0.5))
    crowd = [replace(SHOPPER, shopper=f"01{n:032x}") for n in range(300)]
    # 22 November 2026 is a Sunday.
    saturday, monday = replace(run, at=AT - timedelta(days=1)), replace(run, at=AT + timedelta(days=1))
    same = [offers_of(shopper, run) == offers_of(shopper, saturday) for shopper in crowd]
    other = [offers_of(shopper, run) != offers_of(shopper, monday) for shopper in crowd]
    assert all(same)
    assert 0.3 < sum(other) / len(other) < 0.9


def test_draws_come_as_often_as_their_propensity() -> None:
    run = setting(campaign(exploration=0.3), rules=replace_rules(offers_per_shopper=1))
    crowd = [offers_of(replace(SHOPPER, shopper=f"01{n:032x}"), run) for n in range(1500)]
    by_level: dict[str, list[ShopperOffer]] = {}
    for kept in crowd:
        for offer in kept:
            by_level.setdefault(offer.offer, []).append(offer)
    for offers in by_level.values():
        p = offers[0].propensity
        assert all(offer.propensity == p for offer in offers)
        assert abs(sum(o.drawn for o in offers) / len(offers) - p) < 4 * (p * (1 - p) / len(offers)) ** 0.5


def test_who_are_alike_do_not_all_leave_at_one_price() -> None:
    run = setting(campaign(exploration=0.0, generosity=(Level(percent=20.0),)))
    [branch] = [b for b in branches(SHOPPER, run) if b.product == "coffee1"]
    critical = branch.arms[0].margin / branch.arms[0].cost
    dear = replace(run, budget_prices=BudgetPrices({"coffee": critical}))
    factors = [factor(f"01{n:032x}", branch, dear) for n in range(400)]
    assert all(abs(f - 1) <= JITTER for f in factors)
    assert 0.4 < sum(branch.best(dear.budget_prices, f)[1] > 0 for f in factors) / 400 < 0.6


def test_a_threshold_makes_worth_what_a_plain_discount_is_not() -> None:
    """Only who passes is paid, and who nearly passes adds to the basket: at the same level more is gained."""
    plain = setting(campaign(margin=0.3))
    asking = setting(campaign(margin=0.3, threshold=Thresholds(40, 120, 5)))
    assert branches(SHOPPER, plain) == []
    [branch, *_] = branches(SHOPPER, asking)
    assert branch.arms[0].threshold > BASKETS.q75


def test_baskets_that_never_vary_are_a_case_too() -> None:
    shopper = replace(SHOPPER, baskets=Baskets(*[50.0] * 6))
    kept = offers_of(shopper, setting(TENSION))
    assert kept and all(tension.threshold > 50 and tension.probability == 0 for tension in kept)


def test_without_campaigns_there_is_nothing() -> None:
    assert offers_of(SHOPPER, setting()) == ()
    assert PRICES["coffee1"] == 3.49


STATISTICS = {
    "trips": 20,
    "trips_28": 6,
    "discount_share": 0.2,
    **dict(zip(("q10", "q25", "q50", "q60", "q75", "q90"), BASKETS.values, strict=True)),
}


def test_rows_of_the_models_are_all_that_a_run_needs() -> None:
    usual: list[dict[str, Any]] = [
        {"product": "coffee1", "price": 3.49},
        {"product": "soap1", "price": None},
    ]
    sums = {"product_weeks": 900, "products": 20, "sxx": 8.0, "sxy": -26.0, "syy": 190.0}
    responses = [{"category": "COFFEE", **sums}, {"category": "SOAP", **sums, "product_weeks": 3}]
    run = setting_of("demo", AT, [campaign()], RULES, usual, responses)
    assert run.prices == {"coffee1": 3.49}
    assert run.elasticities.of("COFFEE") < run.elasticities.pooled == run.elasticities.of("SOAP")
    view = view_of("01" + "ab" * 16, STATISTICS, SHOPPER.wanted)
    assert view == replace(SHOPPER, trips_per_week=1.5)
    assert {offer.product for offer in offers_of(view, run)} == {"coffee1"}


def test_who_came_seldom_is_asked_for_no_basket_total() -> None:
    view = view_of("somebody", {**STATISTICS, "trips": 4, "discount_share": None}, ())
    assert view.baskets is None and not view.seeks_discounts
    assert offers_of(view, setting(TENSION, GAME)) == ()
