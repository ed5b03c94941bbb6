"""A judgement and the trials of the estimators, for people and for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from layers.experiments.judging.estimators import Estimate, Judgement
from layers.experiments.judging.replayed import Replayed
from layers.experiments.judging.trials import SITUATIONS, Trial

_METHODS = {
    "dr": "doubly robust",
    "ips": "inverse propensity",
    "snips": "the same, self-normalised",
    "dm": "regression alone",
}


def _interval(one: Estimate, sign: str = "") -> str:
    value = f"{one.value:{sign}.3f}"
    return value if one.low is None or one.high is None else f"{value}  [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"


def judged_text(policy: str, judgement: Judgement, counted: Replayed | None = None) -> str:
    """Mean margin a visit, with 95 % intervals by shopper."""
    lines = [
        f"policy `{policy}`, judged on {judgement.visits} visits of {judgement.shoppers} shoppers",
        f"  effective sample {judgement.effective:.0f} visits ({judgement.effective / judgement.visits:.0%}), largest "
        f"weight {judgement.largest_weight:.1f}, never tried {judgement.unsupported:.2%} of its choices",
        f"  {'what ran':<28} {_interval(judgement.ran)}",
    ]
    lines += [f"  {_METHODS[name]:<28} {_interval(one)}" for name, one in judgement.estimates.items()]
    lines.append(f"  {'gain over what ran':<28} {_interval(judgement.gain, '+')}   {judgement.verdict}")
    if counted is not None:
        lines.append(
            f"  of {counted.visits} first visits of a week, {counted.without} held no offer and {counted.unreadable} "
            "log entries were left out, because their propensities are missing or impossible"
        )
    return "\n".join([*lines, *(f"  WARNING: {warning}" for warning in judgement.warnings)])


def judged_data(policy: str, judgement: Judgement, counted: Replayed | None = None) -> dict[str, Any]:
    """The same for programs."""
    found = {"policy": policy, "verdict": judgement.verdict, **asdict(judgement)}
    if counted is not None:
        found["counted"] = {"visits": counted.visits, "without": counted.without, "unreadable": counted.unreadable}
    return found


def trials_text(found: Sequence[Trial], repetitions: int, visits: int) -> str:
    lines = [
        f"{repetitions} simulated logs of {visits} visits; money a visit; truth is known",
        f"{'policy':<14} {'method':<6} {'truth':>8} {'bias':>8} {'± 2 se':>7} {'rmse':>7} {'covered':>8} "
        f"{'effective':>9}",
    ]
    for situation in SITUATIONS:
        lines.append(f"-- {situation}")
        for trial in found:
            if trial.situation == situation:
                covered = "" if trial.covered is None else f"{trial.covered:.1%}"
                lines.append(
                    f"{trial.policy:<14} {trial.method:<6} {trial.truth:>8.3f} {trial.bias:>+8.3f} "
                    f"{2 * trial.bias_error:>7.3f} {trial.error:>7.3f} {covered:>8} {trial.effective:>9.0f}"
                )
    return "\n".join(lines)


def trials_data(found: Iterable[Trial]) -> list[dict[str, Any]]:
    return [asdict(trial) for trial in found]
