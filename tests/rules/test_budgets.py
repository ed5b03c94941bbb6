"""Budget prices: budgets are kept, and little is lost; against brute force, and at the size of a real shop."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as few
from hypothesis import strategies as st

from layers.campaigns.model import Budget, HouseRules, Period
from layers.offers.baskets import Baskets
from layers.offers.branches import Branch
from layers.offers.budgets import BudgetKey, Sampled, Spent, allocate, keys_of, limits, sampled
from layers.offers.choosing import chosen, fits
from layers.offers.model import Setting, ShopperView, Wanted
from tests.rules.offering import AT, BRANDS, CATEGORIES, GAME, RULES, TENSION, campaign, setting


def crowd(size: int, seed: int, products: int = 6) -> list[ShopperView]:
    """Shoppers of all sizes of basket, with some products each."""
    rng = random.Random(seed)
    found = []
    for number in range(size):
        usual = rng.lognormvariate(3.6, 0.5)
        wanted = []
        for n in range(products):
            likely = min(0.95, rng.betavariate(1, 6))
            wanted.append(Wanted(f"product{n}", likely, rng.choice(CATEGORIES), None, rng.choice(BRANDS[:2])))
        baskets = Baskets(*(usual * share for share in (0.45, 0.7, 1.0, 1.1, 1.4, 1.9)))
        share, trips = rng.choice([0.02, 0.15, 0.3]), rng.lognormvariate(-0.2, 0.6)
        found.append(ShopperView(f"01{number:032x}", wanted, baskets, share, trips))
    return found


RUN = setting(
    campaign(brand="North", budget=Budget(money=100.0, per="week")),
    campaign(campaign="soap", categories=("SOAP",), brand="South", margin=0.7, budget=Budget(count=100, per="week")),
    campaign(
        campaign="toys", categories=("TOYS",), margin=0.5, exploration=0.0,
        budget=Budget(money=60.0, count=500, per="week"),
    ),
    msgspec.structs.replace(TENSION, budget=Budget(money=50, per="week")),
    msgspec.structs.replace(GAME, budget=Budget(money=20, per="week")),
    prices={f"product{n}": 1.5 + 0.7 * n for n in range(12)},
)  # fmt: skip


class TestFullSize:
    def test_every_shopper_of_2469_decides_apart_and_budgets_are_kept_within_half_a_percent_of_the_best(self) -> None:
        sample = sampled(crowd(2469, 1), RUN)
        found = allocate(sample, RUN, 2469)
        assert found.uses and all(use.expected <= use.limit for use in found.uses.values())
        assert found.value <= found.bound * (1 + 1e-9)
        assert found.gap < 0.005
        binding = [key for key, use in found.uses.items() if use.expected > 0.98 * use.limit]
        assert {("money", "coffee"), ("count", "soap"), ("money", "toys")} <= set(binding)

    def test_prices_of_a_sample_keep_the_budgets_of_everybody(self) -> None:
        everybody = sampled(crowd(2469, 2), RUN)
        found = allocate(everybody[::4], RUN, len(everybody))
        priced = replace(RUN, budget_prices=found.prices)
        used = spent_by(everybody, priced)
        for key, limit in limits(RUN.campaigns, RUN.rules, RUN.at).items():
            assert used.get(key, 0.0) <= limit
        assert all(use.expected <= use.upper <= use.limit for use in found.uses.values())


def spent_by(sample: list[Sampled], run: Setting) -> dict[BudgetKey, float]:
    used: dict[BudgetKey, float] = {}
    for one in sample:
        for choice in chosen(one.shopper, one.found, run):
            add(used, choice.branch, choice.best, one.trips_per_week)
    return used


def add(used: dict[BudgetKey, float], branch: Branch, best: int, trips: float) -> float:
    """What it uses goes to the budgets; its margin is returned."""
    margin, cost, uses = branch.mixtures[best]
    for key, amount in zip(keys_of(branch), (cost, uses, cost), strict=True):
        used[key] = used.get(key, 0.0) + amount * trips
    return margin * trips


def everything(one: Sampled, rules: HouseRules) -> list[list[tuple[Branch, int]]]:
    """Every set of branches that fits one shopper, with every arm of each exploited."""
    found = []
    for size in range(min(len(one.found), rules.offers_per_shopper) + 1):
        for some in combinations(one.found, size):
            if all(fits(branch, some[:place], rules) for place, branch in enumerate(some)):
                found += [list(zip(some, arms, strict=True)) for arms in product(*(range(len(b.arms)) for b in some))]
    return found


@st.composite
def small(draw: st.DrawFn) -> tuple[list[Sampled], Setting]:
    """Few enough to enumerate every allocation there is."""
    run = setting(
        campaign(
            budget=Budget(money=draw(st.sampled_from([0.05, 0.2, 0.5, 5.0])), per="week"),
            generosity=RUN.campaigns[0].generosity[:2],
            exploration=draw(st.sampled_from([0.0, 0.2])),
        ),
        msgspec.structs.replace(RUN.campaigns[2], budget=Budget(count=draw(st.integers(1, 3)), per="week")),
        rules=msgspec.structs.replace(RULES, offers_per_shopper=draw(st.integers(1, 2))),
        prices={f"product{n}": 1.5 + 0.7 * n for n in range(12)},
    )
    shoppers = crowd(draw(st.integers(1, 3)), draw(st.integers(0, 10_000)))
    seeking = [ShopperView(s.shopper, s.wanted[:4], s.baskets, 0.2, s.trips_per_week) for s in shoppers]
    return [Sampled(s.shopper, s.found[:2], s.trips_per_week) for s in sampled(seeking, run)], run


@given(small())
@few(max_examples=40)
def test_nothing_beats_the_bound_and_nothing_kept_beats_the_best(case: tuple[list[Sampled], Setting]) -> None:
    sample, run = case
    budgets = limits(run.campaigns, run.rules, run.at)
    best = 0.0
    for sets in product(*(everything(one, run.rules) for one in sample)):
        used: dict[BudgetKey, float] = {}
        margin = sum(
            add(used, branch, arm, one.trips_per_week)
            for one, some in zip(sample, sets, strict=True)
            for branch, arm in some
        )
        if all(used.get(key, 0.0) <= limit + 1e-9 for key, limit in budgets.items()):
            best = max(best, margin)
    found = allocate(sample, run, len(sample))
    assert all(use.expected <= use.limit + 1e-9 for use in found.uses.values())
    assert found.value <= best + 1e-9
    assert best <= found.bound + 1e-9
    # With so few shoppers a price can only take or leave a whole one: at most one a budget is lost.
    margins = [b.mixtures[n][0] * s.trips_per_week for s in sample for b in s.found for n in range(len(b.arms))]
    largest = max(margins, default=0.0)
    assert found.bound - found.value <= (len(budgets) + 1) * run.rules.offers_per_shopper * largest + 1e-9


def test_a_budget_that_binds_nobody_has_no_price() -> None:
    run = setting(campaign(budget=Budget(money=1e6)), prices=RUN.prices)
    found = allocate(sampled(crowd(100, 3), run), run, 100)
    assert not found.prices.money and found.gap == pytest.approx(0.0, abs=1e-9) and found.value > 0


def test_a_budget_below_one_offer_is_left_alone() -> None:
    run = setting(campaign(budget=Budget(money=1e-6, per="week")), prices=RUN.prices)
    found = allocate(sampled(crowd(50, 3), run), run, 50)
    assert found.value == 0 and found.prices.money["coffee"] > 0
    assert found.uses["money", "coffee"].expected == 0


def test_a_brands_money_is_of_all_its_campaigns() -> None:
    rules = msgspec.structs.replace(RULES, brand_money={"North": 20.0, "Nobody": 5.0})
    run = setting(campaign(brand="North", budget=Budget(money=1e6)), prices=RUN.prices, rules=rules)
    found = allocate(sampled(crowd(300, 4), run), run, 300)
    use = found.uses["brand", "North"]
    assert ("brand", "Nobody") not in found.uses
    assert 0.9 * use.limit < use.expected <= use.limit == pytest.approx(20 / (365.25 / 12 / 7))
    assert found.prices.brand["North"] > 0 and not found.prices.money


def test_budgets_are_rates_of_what_is_left() -> None:
    """AT is the Sunday at 4 in Paris: 20 hours are left of the week, and 8 days and 20 hours of the month."""
    cases: list[tuple[Period, int, float]] = [
        ("week", 7, 20 / 24),
        ("month", 30, 8 + 20 / 24),
        ("campaign", 61, 39 + 20 / 24),
    ]
    for per, days, left in cases:
        one = campaign(budget=Budget(money=70.0, count=7, per=per))
        assert limits([one], RULES, AT)["money", "coffee"] == pytest.approx(70 * 7 / days)
        spent = limits([one], RULES, AT, {"coffee": Spent(money=60.0, count=9)})
        assert spent["money", "coffee"] == pytest.approx(10 * 7 / left)
        assert spent["count", "coffee"] == 0.0
    december = campaign(budget=Budget(money=31.0, per="month"))
    assert december.period_days(datetime(2026, 12, 31, 22, tzinfo=UTC))[1].isoformat() == "2027-01-01"


@pytest.mark.parametrize(("drawn", "population"), [(0, 5), (5, 4)])
def test_a_sample_that_says_nothing_is_refused(drawn: int, population: int) -> None:
    with pytest.raises(ValueError, match="draw at least one"):
        allocate(sampled(crowd(drawn, 1), RUN), RUN, population)


def test_without_anything_to_offer_nothing_is_allocated() -> None:
    found = allocate([Sampled("somebody", (), 1.0)], RUN, 1)
    assert (found.value, found.bound, found.gap) == (0.0, 0.0, 0.0)
