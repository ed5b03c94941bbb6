"""The published baselines of «a category in 14 days», built anew on every set of pairs that they may have been made on:
a logistic regression and boosted trees, on what anybody would count first.

They learn from the fourteen days before the cut, and are asked about the fourteen after it. Nothing here reads the
future.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from emulators.shop.journey_data import Product
from layers.learning import logistic, trees
from tests.evaluation.baselines import Past
from tests.evaluation.history import CATEGORY_HORIZON

LEARNT = 100_000
"""Pairs that a baseline learns from."""

_TREES = {"eta": 0.1, "max_depth": 5, "min_child_weight": 20, "subsample": 0.8, "reg_lambda": 1}
_ROUNDS = 100
_PENALTY = 1e-4

NAMES = (
    "trips with it in 14 days", "trips with it in 28 days", "trips with it in 91 days", "trips with it",
    "share of trips with it", "days since it was bought", "days between two purchases of it",
    "days since it was bought over the days between", "trips in 28 days", "trips", "days since the last trip",
    "share of everybody's trips of 28 days",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every household by every category, as of a day.

    Attributes:
        features: households × categories × `NAMES`.
    """

    households: Mapping[str, int]
    categories: Mapping[str, int]
    features: NDArray[np.float32]

    def of(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """The rows of some pairs; a household that was not there yet has none of its own."""
        rows = np.array([self.households[household] for household, _ in pairs])
        return np.ascontiguousarray(self.features[rows, np.array([self.categories[category] for _, category in pairs])])


def bought(past: Past, products: Mapping[str, Product]) -> dict[str, dict[date, set[str]]]:
    """Of each household the categories of each day."""
    return {
        household: {
            day: {category for product in those if (category := products[product].category) is not None}
            for day, those in days.items()
        }
        for household, days in past.days.items()
    }


def count(
    known: Mapping[str, Mapping[date, Collection[str]]], day: date, households: Sequence[str], categories: Sequence[str]
) -> Pairs:
    """As of `day`: nothing of that day or later counts."""
    place = {category: number for number, category in enumerate(categories)}
    shape = (len(households), len(categories))
    found = np.zeros((*shape, len(NAMES)), dtype=np.float32)
    last, first = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    lately = np.zeros(len(categories))
    for row, household in enumerate(households):
        days = {on: those for on, those in known.get(household, {}).items() if on < day}
        for on in sorted(days):
            age = (day - on).days
            columns = [place[category] for category in sorted(days[on]) if category in place]
            for number, within in enumerate((14, 28, 91)):
                if age <= within:
                    found[row, columns, number] += 1
            found[row, columns, 3] += 1
            last[row, columns] = age
            first[row, columns] = np.fmax(first[row, columns], age)
            if age <= 28:
                lately[columns] += 1
        found[row, :, 8] = sum((day - on).days <= 28 for on in days)
        found[row, :, 9] = len(days)
        found[row, :, 10] = min(((day - on).days for on in days), default=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = np.where(found[..., 3] > 1, (first - last) / (found[..., 3] - 1), np.nan)
        found[..., 4] = found[..., 3] / np.maximum(found[..., 9], 1)
        found[..., 5], found[..., 6], found[..., 7] = last, gaps, last / gaps
    found[..., 11] = lately / max(1.0, float(found[:, 0, 8].sum()))
    return Pairs({each: row for row, each in enumerate(households)}, place, found)


def baselines(
    past: Past,
    products: Mapping[str, Product],
    sets: Mapping[str, Sequence[tuple[str, str]]],
    learnt_from: Mapping[str, Sequence[tuple[str, str]]],
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """By set of pairs and baseline, a score of each pair of `sets`.

    Args:
        learnt_from: the same sets as they were fourteen days before the cut.
    """
    before = past.cut - CATEGORY_HORIZON
    known = bought(past, products)
    households = sorted(known)
    categories = sorted({category for pairs in (*sets.values(), *learnt_from.values()) for _, category in pairs})
    then, now = (count(known, day, households, categories) for day in (before, past.cut))
    came = {
        household: set().union(*(those for on, those in days.items() if before <= on < past.cut))
        for household, days in known.items()
    }
    chance = np.random.default_rng(1)
    found = {}
    for name, pairs in sets.items():
        # By chance: every n-th pair would be of every n-th category.
        chosen = chance.permutation(len(learnt_from[name]))[:LEARNT]
        learnt = [learnt_from[name][number] for number in chosen]
        rows = then.of(learnt)
        happened = np.array([float(category in came[household]) for household, category in learnt])
        asked = now.of(pairs)
        regression = logistic.trained(rows, happened, _PENALTY)
        booster = trees.trained(rows, happened, _ROUNDS, _TREES, 1).read()
        found[name] = {
            "logistic regression, plain counts": regression.log_odds(asked),
            "boosted trees, plain counts": trees.log_odds(booster, asked),
        }
    return found


def until(past: Past, day: date) -> Past:
    """The same past as it was known on an earlier day."""
    days = {household: {on: those for on, those in found.items() if on < day} for household, found in past.days.items()}
    return Past(day, {household: found for household, found in days.items() if found})
