"""Assignment by stable hashes: even, nested, independent, and the same for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.experiments.assignment import drawn, explored, group_propensity, in_control, uniform

NAMES = st.text(st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=40)
SHARES = st.floats(0, 1)


def test_the_hash_never_changes() -> None:
    """A changed hash would move everybody between treatment and control, and end every experiment."""
    assert uniform("control", "demo", "01" + "ab" * 16) == 0.6111613034533329
    assert uniform("draw", "a") == 0.7621127222552425


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_it_is_in_range_and_depends_on_its_names_only(names: list[str]) -> None:
    assert 0.0 <= uniform(*names) < 1.0
    assert uniform(*names) == uniform(*names)


def test_it_is_even_and_draws_do_not_depend_on_each_other() -> None:
    shoppers = [f"01{n:032x}" for n in range(20_000)]
    first, second = ([uniform(name, "demo", s) for s in shoppers] for name in ("control", "draw"))
    for share in (0.05, 0.1, 0.5):
        # Four standard errors of a binomial.
        within = 4 * (share * (1 - share) / len(shoppers)) ** 0.5
        assert abs(sum(u < share for u in first) / len(shoppers) - share) < within
        both = [v for u, v in zip(first, second, strict=True) if u < share]
        assert abs(sum(v < share for v in both) / len(both) - share) < 4 * (share * (1 - share) / len(both)) ** 0.5


@given(NAMES, SHARES, SHARES)
def test_another_share_keeps_its_members(shopper: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert in_control("demo", shopper, large) or not in_control("demo", shopper, small)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="give 0 to 1"):
        in_control("demo", "somebody", share)


@given(SHARES)
def test_groups_add_up(share: float) -> None:
    assert group_propensity(True, share) + group_propensity(False, share) == pytest.approx(1.0)


@given(st.integers(1, 30), st.floats(0, 1), st.data())
def test_exploration_leaves_no_alternative_out(alternatives: int, epsilon: float, data: st.DataObject) -> None:
    best = data.draw(st.integers(0, alternatives - 1))
    found = explored(alternatives, best, epsilon)
    assert sum(found) == pytest.approx(1.0)
    assert min(found) >= epsilon / alternatives
    assert found[best] == max(found)
    at = data.draw(st.floats(0, 1, exclude_max=True))
    assert found[drawn(found, at)] > 0


@given(st.lists(st.integers(0, 10), min_size=1, max_size=8).filter(lambda weights: sum(weights) > 0))
def test_what_is_drawn_is_as_likely_as_said(weights: list[int]) -> None:
    total = sum(weights)
    probabilities = [weight / total for weight in weights]
    steps = total * 10
    counts = [0] * len(weights)
    for step in range(steps):
        counts[drawn(probabilities, (step + 0.5) / steps)] += 1
    assert counts == [weight * 10 for weight in weights]


@pytest.mark.parametrize("probabilities", [[0.5, 0.4], [1.5, -0.5], [2.0]])
def test_probabilities_that_are_none_are_refused(probabilities: list[float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        drawn(probabilities, 0.5)


@pytest.mark.parametrize("names", [[], ["a\x1fb"]])
def test_names_that_could_be_mistaken_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="two draws"):
        uniform(*names)
