"""The one list of what models know: questions, their features and their targets. Data only.

From it follow the arrays that models are trained on, the check that dbt's feature tables have these columns, and the
BigQuery ML statements. Every feature is as of a local day: nothing at or after it counts. Targets look forward from a
training day, never past the day of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Learner(StrEnum):
    TREES = "boosted trees"
    LOGISTIC = "logistic regression"


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the question's table. `meaning` finishes «because of …» for a person who asks why."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is predicted, of what, from what.

    Attributes:
        asks: what a probability is the probability of. table: dbt's, with `as_of`, `purpose`, the keys, the features
            and `target` (0, 1, or absent where the future is not known yet). learners: whose log-odds are averaged.
    """

    name: str
    asks: str
    table: str
    keys: tuple[str, ...]
    features: tuple[Feature, ...]
    learners: tuple[Learner, ...] = (Learner.TREES,)
    target: str = "target"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


def _f(name: str, meaning: str) -> Feature:
    return Feature(name, meaning)


_BOUGHT = (
    *(_f(f"trips_{days}", f"trips with it in the last {days} days") for days in (7, 14, 28, 56, 91)),
    _f("trips_all", "trips with it"),
    *(_f(f"in_last_{trips}", f"trips with it among the last {trips}") for trips in (3, 5, 10, 20)),
    _f("decayed", "trips with it, each weighing half as much as twelve trips later"),
    _f("days_since_last", "days since it was last bought"),
    _f("trips_since_last", "trips since it was last bought"),
    _f("mean_gap_days", "days between two purchases of it"),
    _f("recency_over_gap", "how long ago it was bought, against how often it is"),
    _f("usual_price", "its usual price"),
    _f("discount_share", "how much of its price came off"),
)

_SHOPPER = (
    _f("shopper_trips", "the shopper's trips"),
    _f("shopper_first_day_age", "days since the first trip"),
    _f("shopper_days_since_last", "days since the last trip"),
    _f("shopper_mean_gap_days", "days between two trips"),
    _f("shopper_trips_28", "trips in the last 28 days"),
    _f("shopper_lines_mean", "products on a usual trip"),
    _f("shopper_q50", "the usual basket's value"),
    _f("shopper_discount_share", "how much of all prices came off"),
)

PRODUCTS = Question(
    "products",
    "a product that the shopper bought before is in the next basket, within 28 days",
    "product_features",
    ("shopper", "product"),
    (*_BOUGHT, *_SHOPPER),
)

DISCOVERIES = Question(
    "discoveries",
    "a product that the shopper never bought is in the next basket, within 28 days",
    "discovery_features",
    ("shopper", "product"),
    _SHOPPER,
)

CHURN = Question(
    "churn",
    "no purchase within 28 days",
    "shopper_features",
    ("shopper",),
    (
        *(_f(f"trips_{days}", f"trips in the last {days} days") for days in (7, 14, 28, 56, 91)),
        _f("trips", "trips"),
        _f("first_day_age", "days since the first trip"),
        _f("days_since_last", "days since the last trip"),
        _f("mean_gap_days", "days between two trips"),
        _f("recency_over_gap", "how long ago the last trip was, against how often there is one"),
    ),
    (Learner.TREES, Learner.LOGISTIC),
)

CATEGORIES = Question(
    "categories",
    "a purchase in the category within 14 days",
    "category_features",
    ("shopper", "category"),
    (*_BOUGHT, *_SHOPPER),
    (Learner.TREES, Learner.LOGISTIC),
)

QUESTIONS: tuple[Question, ...] = (PRODUCTS, DISCOVERIES, CHURN, CATEGORIES)


def question(name: str) -> Question:
    """Raises:
    KeyError: nobody asks it.
    """
    return {asked.name: asked for asked in QUESTIONS}[name]
