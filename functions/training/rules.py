"""What training decides: the days it learns from, a training's name, and whether its models may replace those in use.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from layers.facts.questions import EDITION
from layers.learning import QUESTIONS, TrainedModels
from layers.retailers import Retailer

LEAST_AUC = 0.6
"""Below, a model hardly tells what happens from what does not; on real baskets each reaches .78 or more."""

MOST_CALIBRATION_ERROR = 0.1
"""Of offers' margins a tenth off is more than they bring."""

TOLERATED_LOSS = 0.02
"""Of AUC, against the models in use: what chance moves it from week to week stays below."""

AFTER_BUILT = timedelta(seconds=1)
"""A run of scoring is known by its moment. So that of new models is newer than the night's own, and of the same local
day as the tables; but for tables of the last second before midnight, which would be scored by recency."""

EVERY = timedelta(days=6, hours=12)
"""A little less than a week, so that a run which starts some minutes earlier than the last does not wait a day."""

Figures = Mapping[str, Mapping[str, float]]


class Status(StrEnum):
    """Of a retailer's training. `NOTHING`: there is nothing to learn from yet, as at a new retailer; nobody is
    woken. `REFUSED`: those in use stay."""

    TRAINED = "trained"
    NOT_DUE = "not due"
    NOTHING = "nothing to learn from"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether models may be taken into use, and in words why not."""

    reasons: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.reasons


def judge(found: Figures, in_use: Figures | None) -> Judgement:
    """Compares what was measured on a day that the models had not seen.

    Args:
        in_use: of the models that would be replaced; None where there are none.
    """
    return Judgement(tuple(reason for question in QUESTIONS for reason in _against(question.name, found, in_use)))


def _against(name: str, found: Figures, in_use: Figures | None) -> Sequence[str]:
    figures = found.get(name)
    if figures is None:
        return [f"{name}: no model answers it"]
    reasons = []
    # Written so that a NaN is a reason.
    if not figures["auc"] >= LEAST_AUC:
        reasons.append(f"{name}: AUC {figures['auc']:.3f} is below {LEAST_AUC}")
    if not figures["calibration_error"] <= MOST_CALIBRATION_ERROR:
        reasons.append(f"{name}: probabilities are {figures['calibration_error']:.3f} off in the mean")
    if not figures["log_loss"] <= figures["log_loss_of_the_mean"]:
        reasons.append(f"{name}: the mean alone predicts better")
    before = (in_use or {}).get(name)
    if before is not None and not figures["auc"] >= before["auc"] - TOLERATED_LOSS:
        reasons.append(f"{name}: AUC {figures['auc']:.3f}, and the model in use had {before['auc']:.3f}")
    return reasons


def due(trained: Mapping[str, datetime], scheduled: datetime) -> bool:
    """Weekly; and whenever there is no model, or the newest learned from other features than this code computes. A
    repeated run finds its own and is not due.

    Args:
        trained: when, by the version's name.
    """
    if not trained:
        return True
    newest = max(trained, key=lambda name: (trained[name], name))
    return scheduled - trained[newest] >= EVERY or not newest.endswith(EDITION)


def version(scheduled: datetime) -> str:
    """Of a training: the moment it was scheduled for, and a digest of what it learns from, so a repeated run has the
    same name and other features never have it."""
    return f"{scheduled:%Y%m%dT%H%M%SZ}-{EDITION}"


def rescored(built: datetime) -> datetime:
    """The moment of the run that scores by new models.

    Args:
        built: the moment of the run that made the tables which they are to predict from.
    """
    return built.replace(microsecond=0) + AFTER_BUILT


def today(retailer: Retailer, scheduled: datetime) -> str:
    """The local day of a run."""
    return scheduled.astimezone(ZoneInfo(retailer.timezone)).date().isoformat()


def figures_of(models: TrainedModels) -> dict[str, dict[str, float]]:
    return {name: dict(model.figures) for name, model in models.models.items()}
