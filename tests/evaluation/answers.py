"""What a stranger's scorer reads: each household's answers, under its own id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.evaluation.judging import ranked
from tests.evaluation.predicting import Predicted, Scores

MOST = 20
_DIGITS = 5


@dataclass(frozen=True, slots=True)
class Answers:
    """By household.

    Attributes:
        recommendations: 20 products, best first. discoveries: 20 that the household never bought.
    """

    recommendations: dict[str, list[str]]
    binary: dict[str, list[str]]
    discoveries: dict[str, list[str]]
    popular_new: dict[str, list[str]]
    churn: dict[str, float]
    categories: dict[str, dict[str, float]]


def answers(
    predicted: Predicted, households: Mapping[str, str], everybody: set[str], popular: Sequence[str]
) -> Answers:
    """Every household with a purchase before the cut has an answer to everything: who bought nothing that is scored
    gets what is popular, and the share of the clientele."""

    def by_household(scores: Scores) -> Scores:
        return {households[shopper]: found for shopper, found in scores.items()}

    def filled(scores: Scores) -> dict[str, list[str]]:
        found = by_household(scores)
        return {household: _filled(ranked(found.get(household, {}), MOST), popular) for household in sorted(everybody)}

    absent = predicted.models.models["churn"].figures["share"]
    churn = {households[shopper]: value for shopper, value in predicted.churn.items()}
    categories = by_household(predicted.categories)
    return Answers(
        filled(predicted.products),
        filled(predicted.binary),
        {household: ranked(found, MOST) for household, found in sorted(by_household(predicted.discoveries).items())},
        {household: ranked(found, MOST) for household, found in sorted(by_household(predicted.popular_new).items())},
        {household: round(churn.get(household, absent), _DIGITS) for household in sorted(everybody)},
        {
            household: {name: round(p, _DIGITS) for name, p in categories.get(household, {}).items()}
            for household in sorted(everybody)
        },
    )


def _filled(best: list[str], popular: Sequence[str]) -> list[str]:
    known = set(best)
    return (best + [product for product in popular if product not in known])[:MOST]
