"""Judging a policy off-line: right where the truth is known, by hand on a few visits, honest where it cannot tell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.experiments.__main__ import main
from layers.experiments.judging.estimators import Estimate, estimate_of, folds_of, judge, regressed
from layers.experiments.judging.logged import ARM_FEATURES, NOTHING, VISIT_FEATURES, Logged
from layers.experiments.judging.policies import POLICIES, UnknownPolicy, policy_named
from layers.experiments.judging.replayed import HORIZON_DAYS, binding, earned, replayed
from layers.experiments.judging.report import judged_data, judged_text
from layers.experiments.judging.shop import CONTROL, shop, visited
from layers.experiments.judging.trials import AS_IT_IS, NO_REGRESSION, SITUATIONS, WRONG_PROPENSITIES, Trial, trials
from layers.tree.journey import Standing, advance
from layers.tree.reading import read_yaml
from tests.rules.journeys import PARAMETERS, record

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TREE = read_yaml(
    (Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml").read_text(encoding="utf-8")
)


def logged(
    probabilities: list[list[float]], chosen: list[int], rewards: list[float], shoppers: list[int] | None = None
) -> Logged:
    n, a = len(probabilities), len(probabilities[0])
    arms = np.zeros((n, a, len(ARM_FEATURES)))
    arms[:, 1:, 0] = 1.0
    arms[:, :, 1] = np.arange(a)
    return Logged(
        arms,
        np.ones((n, len(VISIT_FEATURES))),
        np.ones((n, a), dtype=np.bool_),
        np.array(probabilities),
        np.array(chosen),
        np.array(rewards, dtype=np.float64),
        np.arange(n) if shoppers is None else np.array(shoppers),
    )


@st.composite
def logs(draw: st.DrawFn) -> Logged:
    n, a = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    weights = draw(st.lists(st.lists(st.integers(1, 9), min_size=a, max_size=a), min_size=n, max_size=n))
    probabilities = [[w / sum(row) for w in row] for row in weights]
    chosen = draw(st.lists(st.integers(0, a - 1), min_size=n, max_size=n))
    rewards = draw(st.lists(st.floats(-10, 50), min_size=n, max_size=n))
    return logged(probabilities, chosen, rewards, draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))


class TestEstimators:
    def test_by_hand(self) -> None:
        """Two visits at 0.5 / 0.5, q known: IPS (2·3 + 0) / 2 = 3, DR [(2 + 2(3 - 2)) + (4 + 0)] / 2 = 4, DM 3."""
        two = logged([[0.5, 0.5], [0.5, 0.5]], [1, 0], [3.0, 1.0])
        always = np.array([[0.0, 1.0], [0.0, 1.0]])
        found = judge(two, always, np.array([[1.0, 2.0], [1.0, 4.0]]))
        values = {name: one.value for name, one in found.estimates.items()}
        assert values == pytest.approx({"dr": 4.0, "ips": 3.0, "snips": 3.0, "dm": 3.0})
        assert (found.effective, found.largest_weight, found.unsupported) == (1.0, 2.0, 0.0)
        assert found.gain.value == pytest.approx(4.0 - 2.0) and found.ran.value == 2.0

    @given(logs())
    @settings(max_examples=40)
    def test_of_what_ran_every_method_says_what_happened(self, log: Logged) -> None:
        found = judge(log, log.probabilities)
        mean = float(log.rewards.mean())
        assert found.estimates["ips"].value == pytest.approx(mean, abs=1e-9)
        assert found.estimates["snips"].value == pytest.approx(mean, abs=1e-9)
        assert found.effective == pytest.approx(len(log)) and found.unsupported == 0.0

    @given(logs(), st.floats(-5, 5))
    @settings(max_examples=40)
    def test_what_is_the_same_for_every_choice_changes_no_gain(self, log: Logged, shift: float) -> None:
        for name in ("nothing", "evenly", "best"):
            policy = policy_named(name)(log)
            q = np.zeros(log.there.shape)
            before, after = judge(log, policy, q), judge(replace(log, rewards=log.rewards + shift), policy, q + shift)
            assert after.gain.value == pytest.approx(before.gain.value, abs=1e-6)
            assert after.estimates["dr"].value == pytest.approx(before.estimates["dr"].value + shift, abs=1e-6)

    def test_visits_of_one_shopper_are_not_counted_as_independent(self) -> None:
        rng = np.random.default_rng(3)
        own = rng.normal(0, 1, 200)
        apart = estimate_of(own, np.arange(200))
        doubled = estimate_of(np.repeat(own, 2), np.repeat(np.arange(200), 2))
        assert apart.low is not None and doubled.low is not None
        assert doubled.value - doubled.low == pytest.approx(apart.value - apart.low)

    def test_of_one_shopper_there_is_no_interval(self) -> None:
        assert estimate_of(np.array([1.0, 2.0]), np.array([7, 7])) == Estimate(1.5)

    @given(st.lists(st.integers(0, 20), min_size=1, max_size=50))
    def test_a_shopper_is_in_one_fold(self, shoppers: list[int]) -> None:
        folds = folds_of(np.array(shoppers))
        assert len({(s, f) for s, f in zip(shoppers, folds, strict=True)}) == len(set(shoppers))

    def test_a_regression_never_sees_the_shopper_that_it_is_used_for(self) -> None:
        """Moving one shopper's rewards moves the others' predictions and not that shopper's own."""
        truth = shop(30)
        log, _ = visited(truth, 200, np.random.default_rng(1))
        moved = replace(log, rewards=np.where(log.shoppers == log.shoppers[0], log.rewards + 1000.0, log.rewards))
        before, after = regressed(log), regressed(moved)
        own = log.shoppers == log.shoppers[0]
        assert np.array_equal(before[own], after[own]) and not np.allclose(before[~own], after[~own])

    @pytest.mark.parametrize(
        ("policy", "says"),
        [
            ([[0.5, 0.4]], "add up to 1"),
            ([[1.5, -0.5]], "add up to 1"),
            ([[1.0]], "add up to 1"),
        ],
    )
    def test_a_policy_that_is_none_is_refused(self, policy: list[list[float]], says: str) -> None:
        with pytest.raises(ValueError, match=says):
            judge(logged([[0.5, 0.5]], [0], [1.0]), np.array(policy))

    def test_what_cannot_be_judged_is_refused(self) -> None:
        log = logged([[0.5, 0.5]], [0], [1.0])
        gone = replace(log, there=np.array([[True, False]]))
        with pytest.raises(ValueError, match="was not there"):
            judge(gone, np.array([[0.0, 1.0]]))
        with pytest.raises(ValueError, match="did not have"):
            replace(gone, chosen=np.array([1]))
        with pytest.raises(ValueError, match="do not fit together"):
            replace(log, rewards=np.array([1.0, 2.0]))
        with pytest.raises(ValueError, match="nothing was logged"):
            judge(log.some(np.array([], dtype=np.int64)), np.zeros((0, 2)))


class TestWarnings:
    def many(self, low: float) -> Logged:
        n = 1000
        rng = np.random.default_rng(1)
        chosen = (rng.random(n) < low).astype(np.int64)
        return logged([[1 - low, low]] * n, list(chosen), [1.0] * n)

    def test_good_data_need_none_and_give_a_verdict(self) -> None:
        log = self.many(0.5)
        better = replace(log, rewards=log.rewards + log.chosen)
        found = judge(better, policy_named("best")(better))
        assert found.warnings == () and found.verdict == "better"
        assert judge(better, policy_named("nothing")(better)).verdict == "worse"
        assert judge(log, policy_named("best")(log)).verdict == "cannot tell"

    def test_what_was_never_tried_is_said(self) -> None:
        log = replace(
            self.many(0.5), probabilities=np.array([[1.0, 0.0]] * 1000), chosen=np.zeros(1000, dtype=np.int64)
        )
        found = judge(log, policy_named("best")(log))
        assert found.unsupported == 1.0 and "positivity" in found.warnings[0]
        assert found.verdict == "not to be judged"

    def test_too_few_are_said(self) -> None:
        log = self.many(0.01)
        found = judge(log, policy_named("best")(log))
        assert found.effective < 50
        assert any("effective sample" in w for w in found.warnings) and any(
            "counts as much" in w for w in found.warnings
        )

    def test_a_logged_propensity_of_nothing_is_said(self) -> None:
        log = self.many(0.5)
        wrong = log.probabilities.copy()
        wrong[0] = [0.0, 1.0] if log.chosen[0] == 0 else [1.0, 0.0]
        found = judge(replace(log, probabilities=wrong), policy_named("evenly")(log))
        assert any("logged with propensity 0" in w for w in found.warnings)


def of(found: list[Trial], situation: str, method: str) -> list[Trial]:
    return [t for t in found if t.situation == situation and t.method == method]


@pytest.fixture(scope="module")
def tried() -> list[Trial]:
    return trials(120, 2000, seed=5)


class TestWhereTheTruthIsKnown:
    """120 logs of 2 000 visits: bias within four standard errors of none, coverage within four of 95 %."""

    def test_dr_ips_and_snips_are_unbiased_and_their_intervals_hold(self, tried: list[Trial]) -> None:
        four = 4 * (0.95 * 0.05 / 120) ** 0.5
        for method in ("dr", "ips", "snips"):
            for trial in of(tried, AS_IT_IS, method):
                assert abs(trial.bias) < 4 * trial.bias_error, trial
                assert trial.covered is not None and abs(trial.covered - 0.95) < four, trial

    def test_doubly_robust_means_that_either_half_may_be_wrong(self, tried: list[Trial]) -> None:
        for situation in (NO_REGRESSION, WRONG_PROPENSITIES):
            for trial in of(tried, situation, "dr"):
                assert abs(trial.bias) < 4 * trial.bias_error, trial
        # And that the others are not.
        assert all(abs(t.bias) > 10 for t in of(tried, NO_REGRESSION, "dm"))
        assert sum(abs(t.bias) > 10 * t.bias_error for t in of(tried, WRONG_PROPENSITIES, "ips")) >= 3

    def test_dr_is_nearer_than_weights_alone(self, tried: list[Trial]) -> None:
        for robust, alone in zip(of(tried, AS_IT_IS, "dr"), of(tried, AS_IT_IS, "ips"), strict=True):
            assert robust.error < alone.error
        assert {t.situation for t in tried} == set(SITUATIONS)

    def test_the_shop_draws_as_it_logs(self) -> None:
        truth = shop(50)
        log, kinds = visited(truth, 40_000, np.random.default_rng(2))
        assert np.allclose(log.probabilities.sum(axis=1), 1.0)
        for kind in range(3):
            mine = kinds == kind
            seen = np.bincount(log.chosen[mine], minlength=4) / mine.sum()
            assert np.abs(seen - log.probabilities[mine][0]).max() < 4 * 0.5 / mine.sum() ** 0.5
        assert log.probabilities[:, NOTHING].min() > CONTROL


class TestPolicies:
    @pytest.mark.parametrize("name", [*POLICIES, "best:0.5", "most_generous:0"])
    def test_each_is_a_policy(self, name: str) -> None:
        log, _ = visited(shop(40), 300, np.random.default_rng(1))
        policy = policy_named(name)(log)
        assert np.allclose(policy.sum(axis=1), 1.0) and (policy[~log.there] == 0).all() and (policy >= 0).all()

    def test_they_do_what_they_are_called(self) -> None:
        log, _ = visited(shop(40), 300, np.random.default_rng(1))
        generosity = log.arms[:, :, ARM_FEATURES.index("generosity")]
        offered = log.there.sum(axis=1) > 1
        given_away = {name: (POLICIES[name](log) * generosity).sum(axis=1)[offered] for name in POLICIES}
        assert (given_away["cheapest"] <= given_away["most_generous"]).all() and given_away["nothing"].sum() == 0
        assert (POLICIES["best"](log)[offered, NOTHING] == 0).all()

    @pytest.mark.parametrize("name", ["bset", "best:2", "best:half"])
    def test_an_unknown_one_is_refused(self, name: str) -> None:
        with pytest.raises(UnknownPolicy, match=r"there is|0 to 1"):
            policy_named(name)


def row(parameters: Any, **others: Any) -> dict[str, Any]:
    """A row of `replayed.sql`, its decision made by the fold."""
    [decision] = advance(None, [record("PageViewed", 0)], Standing(TREE, parameters, granted_by_default=True))[1]
    assert '"rule":"starts"' in decision.reason
    plain = {"shopper": decision.shopper, "control": decision.control, "offers": decision.offers}
    return {**plain, "paid": 30.0, "discount": 2.0, "spent_before": 90.0, "orders_before": 4, **others}


class TestReplayed:
    def test_a_decision_becomes_a_visit_with_its_probabilities(self) -> None:
        """In the 95 % that are treated: 0.9 for a fifth off, 0.05 for a tenth, so nothing at 0.05 + 0.95 · 0.05."""
        treated = msgspec.structs.replace(PARAMETERS, group_propensity=0.95)
        control = msgspec.structs.replace(PARAMETERS, control=True, group_propensity=0.05)
        found = replayed([row(treated), row(control, shopper="other"), row(treated)], 0.25)
        log = found.logged
        assert (found.visits, found.without, found.unreadable, len(log)) == (3, 0, 0, 3)
        assert log.probabilities == pytest.approx(np.array([[0.0975, 0.855, 0.0475]] * 3))
        assert list(log.chosen) == [1, NOTHING, 1]
        assert list(log.shoppers) == [0, 1, 0]
        assert log.rewards[0] == pytest.approx(earned(30.0, 2.0, 0.25)) == pytest.approx(0.25 * 32 - 2)
        assert log.arms[0, 1, 1] == 1.0 and log.arms[0, 2, 1] == 0.5 and log.arms[0, 0].sum() == 0
        assert list(log.visits[0]) == [0.5, 90.0, 4.0]

    def test_what_holds_no_offer_is_counted(self) -> None:
        none = msgspec.structs.replace(PARAMETERS, offers=())
        found = replayed([row(none), row(PARAMETERS)], 0.25)
        assert (found.visits, found.without, len(found.logged)) == (2, 1, 1)
        assert len(replayed([row(PARAMETERS)], 0.25, campaign="another").logged) == 0
        assert len(replayed([row(PARAMETERS)], 0.25, campaign="favourites").logged) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"offers": "{"},
            {"offers": '[{"campaign":"a","offer":"b","propensity":0.0,"drawn":true}]'},
            {"offers": '[{"campaign":"a","offer":"b","propensity":1.4,"drawn":true}]'},
            {"offers": '[{"campaign":"a","offer":"b","propensity":1.0}]'},
            {"offers": '[{"campaign":"a","offer":"b","propensity":0.5,"drawn":true}]', "control": True},
        ],
    )
    def test_what_cannot_be_right_is_left_out_and_counted(self, change: dict[str, Any]) -> None:
        found = replayed([row(PARAMETERS, **change), row(PARAMETERS)], 0.25)
        assert (found.unreadable, len(found.logged)) == (1, 1)

    def test_visits_whose_outcome_is_not_known_yet_do_not_count(self) -> None:
        bound = binding(NOW - timedelta(days=30), NOW, NOW, False)
        assert bound["until"] == NOW - timedelta(days=HORIZON_DAYS)
        assert binding(NOW, NOW - timedelta(days=20), NOW, False)["until"] == NOW - timedelta(days=20)


def test_a_report_reads_for_people_and_for_programs() -> None:
    found = replayed([row(PARAMETERS)] * 3, 0.25)
    judgement = judge(found.logged, policy_named("best")(found.logged))
    text = judged_text("best", judgement, found)
    assert "doubly robust" in text and "WARNING: the effective sample is" in text and "not to be judged" in text
    data = json.loads(msgspec.json.encode(judged_data("best", judgement, found)))
    assert data["estimates"]["dr"].keys() == {"value", "low", "high"} and data["counted"]["visits"] == 3


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "there" / "trials.json"
    assert main(["simulate", "--repetitions", "3", "--visits", "200", "--json", str(out)]) == 0
    assert "-- as logged" in capsys.readouterr().out
    assert len(json.loads(out.read_text())) == 3 * 4 * 4
    assert main(["simulate", "--repetitions", "1"]) == 2
    assert main(["replay", "--retailer", "demo", "--policy", "bset"]) == 2
    assert "there is no policy 'bset'" in capsys.readouterr().err
    monkeypatch.setenv("GONDOLA_RETAILER_DEMO", "")
    monkeypatch.delenv("GONDOLA_RETAILER_DEMO")
    assert main(["replay", "--retailer", "demo"]) == 2
