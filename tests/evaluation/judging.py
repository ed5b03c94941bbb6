"""Compares what was predicted with what came. The protocol stands in README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layers.learning.metrics import (
    Interval,
    auc_intervals,
    calibration_error,
    log_loss,
    mean_interval,
    ndcg_at,
    recall_at,
    reliability,
)

LEAST_TRIPS = 5
PUBLISHED = {
    "global top, 14 days": (0.041, 0.076),
    "personal frequency": (0.135, 0.209),
    "recency-weighted, half-life 12 trips": (0.144, 0.224),
    "TIFU-KNN, tuned": (0.144, 0.223),
    "boosted trees, binary objective": (0.149, 0.231),
}
"""recall@10 and NDCG@10 of the issue, on 2017-12-01."""

Lists = Mapping[str, Sequence[str]]


def ranked(scores: Mapping[str, float], many: int = 20, but: frozenset[str] = frozenset()) -> list[str]:
    """Best first; of two alike the smaller name."""
    return [name for name, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0])) if name not in but][:many]


def lists(models: Mapping[str, Lists], baskets: Mapping[str, set[str]], ours: str) -> dict[str, Any]:
    """Of each model recall and NDCG at 10 and 20 with intervals, and ours minus each other's, paired by household."""
    households = sorted(baskets)
    values: dict[str, dict[str, np.ndarray]] = {
        name: {
            f"{metric}@{many}": np.array(
                [compute(found.get(household, ()), baskets[household], many) for household in households]
            )
            for metric, compute in (("recall", recall_at), ("ndcg", ndcg_at))
            for many in (10, 20)
        }
        for name, found in models.items()
    }
    return {
        "households": len(households),
        "models": {name: {m: _plain(mean_interval(v)) for m, v in each.items()} for name, each in values.items()},
        "ours_minus": {
            name: {m: _plain(mean_interval(values[ours][m] - v)) for m, v in each.items()}
            for name, each in values.items()
            if name != ours
        },
    }


def _plain(interval: Interval) -> list[float]:
    return [round(interval.value, 5), round(interval.low, 5), round(interval.high, 5)]


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows of a yes-or-no question.

    Attributes:
        shoppers: of each row, the household. scores: by model; ours first.
    """

    shoppers: Sequence[str]
    happened: np.ndarray
    scores: Mapping[str, np.ndarray]
    probabilities: np.ndarray
    notes: dict[str, Any] = field(default_factory=dict)


def outcomes(asked: Asked) -> dict[str, Any]:
    """AUC of each model with intervals drawn by household, ours minus each, log-loss and calibration of ours."""
    number = {household: place for place, household in enumerate(sorted(set(asked.shoppers)))}
    groups = np.array([number[household] for household in asked.shoppers], dtype=float)
    names = list(asked.scores)
    # A draw of 660 000 rows takes 40 ms a model; intervals of so many are narrow anyway.
    draws = 200 if len(asked.happened) < 100_000 else 40
    own, more = auc_intervals([asked.scores[name] for name in names], asked.happened, groups, draws=draws)
    share = float(asked.happened.mean())
    return {
        "rows": len(asked.happened),
        "households": len(number),
        "share": round(share, 5),
        "auc": {name: _plain(interval) for name, interval in zip(names, own, strict=True)},
        "ours_minus": {name: _plain(interval) for name, interval in zip(names[1:], more, strict=True)},
        "log_loss": round(log_loss(asked.probabilities, asked.happened), 5),
        "log_loss_of_the_mean": round(log_loss(np.full(len(asked.happened), share), asked.happened), 5),
        "calibration_error": round(calibration_error(asked.probabilities, asked.happened), 5),
        "reliability": [
            [part.rows, round(part.predicted, 4), round(part.happened, 4)]
            for part in reliability(asked.probabilities, asked.happened)
        ],
        **asked.notes,
    }
