"""Trained models: what they predict, why, and how they are written down. Pure.

A model is one or more members (trees, a logistic regression) whose log-odds are averaged, then calibrated. Written as
JSON, so what is read from a store can be looked at, and runs nothing. Does not own how they are trained (`training`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import xgboost

from layers.learning import trees
from layers.learning.calibration import Calibration
from layers.learning.columns import Columns, Numbers, matrix
from layers.learning.features import CATEGORIES, CHURN, DISCOVERIES, PRODUCTS, Question, question
from layers.learning.logistic import Logistic
from layers.learning.trees import Trees

FORMAT = 1
Figures = Mapping[str, float]


class UnreadableModels(ValueError):
    """The bytes are no trained models of this format."""


class Reason(NamedTuple):
    """Why a probability is what it is.

    Attributes:
        meaning: of the feature, in words. value: of the feature; NaN where it is not known. effect: in log-odds,
            against the mean shopper; above 0 it makes the probability larger.
    """

    feature: str
    meaning: str
    value: float
    effect: float


class Member(msgspec.Struct, frozen=True):
    """One of the models that are averaged. Weights of a model's members add up to 1."""

    model: Trees | Logistic
    weight: float = 1.0


class TrainedModel(msgspec.Struct, frozen=True, dict=True):
    """The answer to one question.

    Attributes:
        question: its name. features: in the order of the members' columns. figures: as measured on days that it was not
            trained on.
    """

    question: str
    features: tuple[str, ...]
    members: tuple[Member, ...]
    calibration: Calibration = Calibration()
    figures: dict[str, float] = {}

    def log_odds(self, columns: Columns) -> Numbers:
        """Before calibration."""
        rows = matrix(columns, self.features)
        found: Numbers = np.zeros(len(rows))
        if len(rows):
            for member, booster in zip(self.members, self._boosters, strict=True):
                found += member.weight * (
                    member.model.log_odds(rows) if isinstance(member.model, Logistic) else trees.log_odds(booster, rows)
                )
        return found

    def probabilities(self, columns: Columns) -> Numbers:
        """Calibrated, one a row.

        Raises:
            KeyError: a feature is not among the columns.
        """
        return self.calibration.probabilities(self.log_odds(columns))

    def reasons(self, columns: Columns, most: int = 3) -> list[list[Reason]]:
        """The features that moved each row's probability most. Costs some hundred times as much as the probability, so
        ask for the few rows that are shown."""
        rows = matrix(columns, self.features)
        if not len(rows):
            return []
        effects: Numbers = np.zeros(rows.shape)
        for member, booster in zip(self.members, self._boosters, strict=True):
            effects += member.weight * (
                member.model.contributions(rows)
                if isinstance(member.model, Logistic)
                else trees.contributions(booster, rows)
            )
        effects *= self.calibration.slope
        meanings = {feature.name: feature.meaning for feature in question(self.question).features}
        return [
            [
                Reason(self.features[at], meanings.get(self.features[at], ""), float(row[at]), float(effect[at]))
                for at in np.argsort(-np.abs(effect), kind="stable")[:most]
            ]
            for row, effect in zip(rows, effects, strict=True)
        ]

    @property
    def _boosters(self) -> list[xgboost.Booster]:
        # Read once: parsing a booster costs more than predicting a page of shoppers.
        read: list[xgboost.Booster] | None = self.__dict__.get("_read")
        if read is None:
            read = [
                member.model.read() if isinstance(member.model, Trees) else xgboost.Booster() for member in self.members
            ]
            self.__dict__["_read"] = read
        return read


class TrainedModels(msgspec.Struct, frozen=True):
    """What a retailer's shoppers are predicted with.

    Attributes:
        version: names this training, and only it. trained_until: the local day before which everything that was learnt
            from happened. models: by the name of their question.
    """

    version: str
    trained_at: datetime
    trained_until: str
    models: dict[str, TrainedModel]

    def products(self, columns: Columns) -> Numbers:
        """Of each (shopper, product already bought): that it is in the shopper's next basket, if there is one within 28
        days."""
        return self.models[PRODUCTS.name].probabilities(columns)

    def discoveries(self, columns: Columns) -> Numbers:
        """Of each (shopper, product never bought): the same. A list of its own: beside what is bought again, a first
        purchase is ten times rarer and would never be shown."""
        return self.models[DISCOVERIES.name].probabilities(columns)

    def churn(self, columns: Columns) -> Numbers:
        """Of each shopper: no purchase within 28 days."""
        return self.models[CHURN.name].probabilities(columns)

    def categories(self, columns: Columns) -> Numbers:
        """Of each (shopper, category): a purchase within 14 days."""
        return self.models[CATEGORIES.name].probabilities(columns)

    def reasons(self, question: Question, columns: Columns, most: int = 3) -> list[list[Reason]]:
        """See `TrainedModel.reasons`."""
        return self.models[question.name].reasons(columns, most)

    def encode(self) -> bytes:
        return msgspec.json.encode(_Written(FORMAT, self))

    @classmethod
    def decode(cls, data: bytes) -> TrainedModels:
        """Raises:
        UnreadableModels: another format, or a model of other features than the code knows.
        """
        try:
            written = msgspec.json.decode(data, type=_Written)
        except msgspec.MsgspecError as error:
            raise UnreadableModels(f"not trained models of format {FORMAT}: {error}") from None
        if written.format != FORMAT:
            raise UnreadableModels(f"format {written.format}, and this code reads {FORMAT}; train again")
        for name, model in written.models.models.items():
            _check(name, model)
        return written.models


class _Written(msgspec.Struct, frozen=True):
    format: int
    models: TrainedModels


def _check(name: str, model: TrainedModel) -> None:
    try:
        asked = question(name)
    except KeyError:
        raise UnreadableModels(f"a model answers «{name}», which nobody asks; train again") from None
    unknown: Sequence[str] = sorted(set(model.features) - {feature.name for feature in asked.features})
    if unknown:
        raise UnreadableModels(f"«{name}» wants features that are computed no more: {', '.join(unknown)}; train again")
