"""Gradient boosted trees by XGBoost, which is what BigQuery ML's boosted trees are.

Kept as XGBoost's own JSON: text that any XGBoost reads, and that runs nothing when it is read, as a pickle would.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import xgboost
from numpy.typing import NDArray

from layers.learning.columns import Numbers

THREADS = 2
"""Sums of gradients are added up by thread, so another number of threads is another model in the last digits."""

BINS = 64


class Trees(msgspec.Struct, frozen=True, tag="trees"):
    """Attributes:
    booster: XGBoost's JSON.
    """

    booster: str

    def read(self) -> xgboost.Booster:
        """Raises:
        xgboost.core.XGBoostError: the text is no booster.
        """
        return xgboost.Booster({"nthread": THREADS}, model_file=bytearray(self.booster, "utf-8"))


def log_odds(booster: xgboost.Booster, rows: NDArray[np.float32]) -> Numbers:
    """Args:
    rows: by the features in the order of training.
    """
    found: Numbers = booster.inplace_predict(rows, predict_type="margin", validate_features=False).astype(np.float64)
    return found


def contributions(booster: xgboost.Booster, rows: NDArray[np.float32]) -> Numbers:
    """What each feature adds to the log-odds (TreeSHAP, Lundberg et al. 2018); rows by features."""
    found = booster.predict(xgboost.DMatrix(rows, nthread=THREADS), pred_contribs=True, validate_features=False)
    columns: Numbers = found[:, :-1].astype(np.float64)
    return columns


def trained(
    rows: NDArray[np.float32],
    happened: Numbers,
    rounds: int,
    settings: Mapping[str, Any],
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> Trees:
    """Args:
    rounds: trees. settings: XGBoost's, its objective among them where it is not the log-likelihood. groups: of a
        ranking, each row's list; rows of a list stand together.
    """
    table = xgboost.QuantileDMatrix(rows, label=happened, qid=groups, max_bin=BINS, nthread=THREADS)
    booster = xgboost.train(
        {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_bin": BINS,
            "nthread": THREADS,
            "seed": seed,
            "verbosity": 0,
            **settings,
        },
        table,
        rounds,
    )
    return Trees(bytes(booster.save_raw("json")).decode())
