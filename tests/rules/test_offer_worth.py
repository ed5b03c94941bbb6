"""What an offer is worth: elasticities that shrink, uplift that stays a probability, thresholds that gain the most."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.offers.baskets import ATOMS, ATTENTION, QUANTILES, REACH, Baskets, best_threshold, reached
from layers.offers.elasticity import (
    BOUNDS,
    LEAST_ROWS,
    POOLED,
    Elasticities,
    Estimate,
    PriceResponse,
    between,
    estimated,
    shrunk,
)
from layers.offers.uplift import margin_of, promoted
from tests.rules.offering import BASKETS, baskets, money

PROBABILITY = st.floats(0, 1)
CUT = st.floats(0, 1)
ELASTICITY = st.floats(-4, 0)


class TestUplift:
    @given(PROBABILITY, CUT, ELASTICITY)
    def test_it_stays_a_probability_and_never_takes_away(self, p: float, cut: float, e: float) -> None:
        assert p - 1e-12 <= promoted(p, cut, e) <= 1.0

    @given(PROBABILITY, st.tuples(CUT, CUT).map(sorted), ELASTICITY)
    def test_more_generosity_never_sells_less(self, p: float, cuts: list[float], e: float) -> None:
        assert promoted(p, cuts[0], e) <= promoted(p, cuts[1], e) + 1e-12

    @given(st.floats(1e-9, 1e-6), st.floats(0, 0.5), ELASTICITY)
    def test_of_what_is_seldom_bought_it_is_constant_elasticity(self, p: float, cut: float, e: float) -> None:
        assert promoted(p, cut, e) == pytest.approx(p * (1 - cut) ** e, rel=1e-4)

    def test_by_hand(self) -> None:
        """Of 30 %: the rate 0.3567 times 0.8^-1.13 = 1.2868 is 0.4590, so 36.8 %."""
        assert promoted(0.3, 0.2, -1.13) == pytest.approx(0.36807, abs=1e-5)
        assert promoted(0.3, 0.0, -1.13) == pytest.approx(0.3)
        assert margin_of(0.3, 0.4, 1.5, 0.5) == pytest.approx(0.1 * 1.0 - 0.3 * 0.5)

    @pytest.mark.parametrize(("p", "cut", "e"), [(1.1, 0.1, -1), (0.1, -0.1, -1), (0.1, 0.1, 1), (float("nan"), 0, -1)])
    def test_nonsense_is_refused(self, p: float, cut: float, e: float) -> None:
        with pytest.raises(ValueError, match="no uplift"):
            promoted(p, cut, e)


def responses(truth: dict[str, float], rng: random.Random, rows: int) -> list[PriceResponse]:
    """Product weeks of a shop whose elasticities are known: prices vary by a tenth, units by that and by chance."""
    found = []
    for category, elasticity in truth.items():
        xs = [rng.gauss(0, 0.1) for _ in range(rows)]
        ys = [elasticity * x + rng.gauss(0, 0.5) for x in xs]
        x0, y0 = sum(xs) / rows, sum(ys) / rows
        pairs = [(x - x0, y - y0) for x, y in zip(xs, ys, strict=True)]
        sums = (sum(x * x for x, _ in pairs), sum(x * y for x, y in pairs), sum(y * y for _, y in pairs))
        found.append(PriceResponse(category, rows, 1, *sums))
    return found


class TestElasticities:
    def test_shrinking_comes_nearer_to_a_truth_that_is_known(self) -> None:
        """Forty shops of sixty categories: the mean squared error falls in every one, and to less than half in all."""
        raw_errors, shrunk_errors = [], []
        for seed in range(40):
            rng = random.Random(seed)
            truth = {f"c{n}": min(-0.3, rng.gauss(POOLED, 0.4)) for n in range(60)}
            estimates = estimated(responses(truth, rng, rng.choice([40, 80, 160])))
            assert len(estimates) == 60
            after = shrunk(estimates)
            raw_errors.append(sum((e.elasticity - truth[e.category]) ** 2 for e in estimates) / 60)
            shrunk_errors.append(sum((after.of(c) - truth[c]) ** 2 for c in truth) / 60)
        assert all(better < raw for better, raw in zip(shrunk_errors, raw_errors, strict=True))
        assert sum(shrunk_errors) < 0.5 * sum(raw_errors)

    def test_the_spread_between_categories_is_found(self) -> None:
        found = []
        for seed in range(30):
            rng = random.Random(seed)
            truth = {f"c{n}": rng.gauss(POOLED, 0.6) for n in range(80)}
            found.append(math.sqrt(between(estimated(responses(truth, rng, 120)))))
        assert sum(found) / len(found) == pytest.approx(0.6, abs=0.06)

    def test_where_categories_do_not_differ_all_are_the_pooled_one(self) -> None:
        after = shrunk([Estimate("a", POOLED + 0.3, 0.5), Estimate("b", POOLED - 0.2, 0.5)])
        assert after.of("a") == after.of("b") == after.of("never seen") == after.of(None) == POOLED
        assert after.spread == 0.0
        assert shrunk([]) == Elasticities()

    @given(st.lists(st.tuples(st.floats(-20, 20), st.floats(0.01, 5)), max_size=20))
    def test_each_lies_between_its_estimate_and_the_pooled_one(self, given_: list[tuple[float, float]]) -> None:
        estimates = [Estimate(f"c{n}", e, s) for n, (e, s) in enumerate(given_)]
        after = shrunk(estimates)
        for one in estimates:
            low, high = sorted((one.elasticity, POOLED))
            low, high = (min(BOUNDS[1], max(BOUNDS[0], edge)) for edge in (low, high))
            assert low - 1e-9 <= after.of(one.category) <= high + 1e-9

    def test_of_two_alike_the_surer_is_moved_less(self) -> None:
        after = shrunk([Estimate("sure", -2.5, 0.1), Estimate("unsure", -2.5, 0.8), Estimate("other", -0.4, 0.1)])
        assert after.of("sure") < after.of("unsure") < POOLED

    @pytest.mark.parametrize(
        "response",
        [
            PriceResponse("few", LEAST_ROWS - 1, 1, 1.0, -1.0, 2.0),
            PriceResponse("no variation", 100, 1, 0.0, 0.0, 2.0),
            PriceResponse("rounding", 100, 1, 1e-15, 0.05, 2.0),
            PriceResponse("a product a week", 100, 100, 1.0, -1.0, 2.0),
            PriceResponse("too good to be true", 100, 1, 1.0, -1.0, 1.0),
        ],
    )
    def test_what_says_nothing_is_left_out(self, response: PriceResponse) -> None:
        assert estimated([response]) == []


def by_hand(atoms: list[float], threshold: float, worth: float) -> tuple[float, float, float]:
    passes = won = added = 0.0
    for basket in atoms:
        missing = threshold - basket
        if missing <= 0:
            passes += 1
        elif missing <= REACH * threshold:
            response = ATTENTION * min(1.0, worth / missing)
            won += response
            added += response * missing
    return passes / len(atoms), won / len(atoms), added / len(atoms)


class TestBaskets:
    @given(baskets())
    def test_the_atoms_rise_and_have_the_quantiles(self, known: Baskets) -> None:
        atoms = known.atoms()
        assert len(atoms) == ATOMS and (np.diff(atoms) >= -1e-9).all() and atoms[0] >= 0
        for share, value in zip(QUANTILES, known.values, strict=True):
            at = share * ATOMS
            below, above = atoms[max(0, math.floor(at) - 1)], atoms[min(ATOMS - 1, math.ceil(at))]
            assert below - 1e-6 <= value <= above + 1e-6

    @pytest.mark.parametrize("values", [(1, 2, 3, 4, 5, 4), (-1, 2, 3, 4, 5, 6)])
    def test_quantiles_that_fall_are_refused(self, values: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="must be 0 or more and rise"):
            Baskets(*values)

    @given(baskets(), st.lists(money(250), min_size=1, max_size=12), money(10))
    def test_reached_is_what_counting_gives(self, known: Baskets, asked: list[float], worth: float) -> None:
        found = reached(known.atoms(), asked, worth)
        for place, threshold in enumerate(asked):
            right = by_hand(list(known.atoms()), threshold, worth)
            assert (found.passes[place], found.won[place], found.added[place]) == pytest.approx(right, abs=1e-9)

    @given(baskets(), st.lists(money(250), min_size=1, max_size=12), money(10), st.floats(0, 1))
    def test_no_other_threshold_gains_more(
        self, known: Baskets, asked: list[float], cost: float, basket_margin: float
    ) -> None:
        gains = {}
        for threshold in asked:
            passes, won, added = by_hand(list(known.atoms()), threshold, cost)
            gains[threshold] = basket_margin * added - cost * (passes + won)
        best = best_threshold(known, asked, cost, cost, basket_margin)
        if best is None:
            assert max(gains.values()) <= 1e-9
        else:
            assert best.gain == pytest.approx(max(gains.values()), abs=1e-9) and best.gain > 0
            assert best.gain == pytest.approx(gains[best.value], abs=1e-9)

    def test_it_asks_for_more_than_is_usual(self) -> None:
        """A threshold below the usual basket pays for what would have come anyway."""
        best = best_threshold(BASKETS, [float(t) for t in range(10, 205, 5)], 1.0, 1.0, 0.25)
        assert best is not None and best.value > BASKETS.q75 and best.passes < 0.2

    def test_without_a_margin_nothing_is_worth_a_reward(self) -> None:
        assert best_threshold(BASKETS, [50.0, 60.0], 1.0, 1.0, 0.0) is None
        assert best_threshold(BASKETS, [], 1.0, 1.0, 0.25) is None
