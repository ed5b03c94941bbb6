"""The one list of what models know: questions, their features and their targets. Data only.

From it follow the arrays that models are trained on, the check that dbt's feature tables have these columns, and the
BigQuery ML statements. Every feature is as of a local day: nothing at or after it counts. Targets look forward from a
training day, never past the day of the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

_COUNTED = re.compile(
    r"(shopper_|category_|kind_|clientele_)?"
    r"(trips(_\d+|_all|_since_last)?|in_last_\d+|days_since_\w+|first_\w+|distinct_\w+|items(_91)?)"
    r"|(category_)?place(_30_days)?|lines_least|shopper_last_lines"
    r"|shopping_trips(_\d+)?|shopping_gap_longest(_of_9)?|weeks_with_\w+|visits_28"
)


class Learner(StrEnum):
    TREES = "boosted trees"
    RANKING = "boosted trees that rank"
    LOGISTIC = "logistic regression"


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the question's table. `meaning` finishes «because of …» for a person who asks why."""

    name: str
    meaning: str

    @property
    def whole(self) -> bool:
        """Whether it counts something: INT64 in the table, else FLOAT64."""
        return _COUNTED.fullmatch(self.name) is not None


@dataclass(frozen=True, slots=True)
class Question:
    """What is predicted, of what, from what.

    Attributes:
        asks: what a probability is the probability of. table: dbt's, with `as_of`, `purpose`, the keys, the features
            and `target` (0, 1, or absent where the future is not known yet). learners: whose log-odds are averaged.
        kept: of the rows to learn from in which it did not happen, the share that the table keeps, drawn by chance;
            probabilities are made up for it.
    """

    name: str
    asks: str
    table: str
    keys: tuple[str, ...]
    features: tuple[Feature, ...]
    learners: tuple[Learner, ...] = (Learner.TREES,)
    target: str = "target"
    kept: float = 1.0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)


def _f(name: str, meaning: str) -> Feature:
    return Feature(name, meaning)


def _within(what: str, days: tuple[int, ...], name: str = "trips") -> tuple[Feature, ...]:
    return tuple(_f(f"{name}_{n}", f"{what} in the last {n} days") for n in days)


_BOUGHT = (
    *_within("trips with it", (7, 14, 28, 56, 91)),
    _f("trips_all", "trips with it"),
    *(_f(f"in_last_{trips}", f"trips with it among the last {trips}") for trips in (3, 5, 10, 20)),
    _f("decayed", "trips with it, each weighing half as much as twelve trips later"),
    _f("days_since_last", "days since it was last bought"),
    _f("trips_since_last", "trips since it was last bought"),
    _f("mean_gap_days", "days between two purchases of it"),
    _f("recency_over_gap", "how long ago it was bought, against how often it is"),
    _f("usual_price", "its usual price"),
    _f("discount_share", "how much of its price came off"),
    _f("first_day_age", "days since it was first bought"),
    _f("mean_gap_trips", "trips between two purchases of it"),
    _f("trips_over_gap", "trips since it was bought, against how many there usually are"),
    _f("share_of_trips", "the share of trips with it, the last ones weighing most"),
)

_SHOPPER = (
    _f("shopper_trips", "trips"),
    _f("shopper_first_day_age", "days since the first trip"),
    _f("shopper_days_since_last", "days since the last trip"),
    _f("shopper_mean_gap_days", "days between two trips"),
    _f("shopper_recency_over_gap", "how long ago the last trip was, against how often there is one"),
    _f("shopper_trips_28", "trips in the last 28 days"),
    _f("shopper_trips_91", "trips in the last 91 days"),
    _f("shopper_lines_mean", "products on a usual trip"),
    _f("shopper_q50", "the usual basket's value"),
    _f("shopper_discount_share", "how much of all prices came off"),
    _f("shopper_distinct_products", "different products bought"),
)

_CLIENTELE = (
    _f("clientele_trips_14", "everybody's trips with it in the last 14 days"),
    _f("clientele_trips_28", "everybody's trips with it in the last 28 days"),
    _f("clientele_trips_91", "everybody's trips with it in the last 91 days"),
    _f("clientele_share_14", "the share of everybody's trips with it"),
    _f("clientele_trend", "whether more people buy it than two weeks ago"),
    _f("clientele_repeat_rate", "how many of its buyers come back to it"),
    _f("clientele_mean_price", "what it costs"),
)

_OF_CATEGORY = (
    _f("category_trips_28", "trips with its category in the last 28 days"),
    _f("category_trips_91", "trips with its category in the last 91 days"),
    _f("category_in_last_5", "trips with its category among the last 5"),
    _f("category_decayed", "trips with its category, each weighing half as much as twelve trips later"),
    _f("category_days_since_last", "days since something of its category was bought"),
    _f("category_mean_gap_days", "days between two purchases of its category"),
    _f("category_recency_over_gap", "how long ago its category was bought, against how often it is"),
)

PRODUCTS = Question(
    "products",
    "a product that the shopper bought before is in the next basket, if there is one within 28 days",
    "product_features",
    ("shopper", "product"),
    (
        *_BOUGHT,
        _f("decayed_3", "trips with it, each weighing half as much as three trips later"),
        _f("decayed_30_days", "trips with it, each weighing half as much as a month later"),
        _f("first_trips_back", "trips since it was first bought"),
        _f("quantity_mean", "how much of it is bought at once"),
        _f("rate", "the share of trips with it since it was first bought"),
        _f("share_of_category", "how much of its category it is"),
        *_SHOPPER,
        *_OF_CATEGORY,
        _f("category_trips_all", "trips with its category"),
        _f("category_trips_since_last", "trips since something of its category was bought"),
        *_CLIENTELE,
        _f("place", "its place among the shopper's products"),
        _f("place_30_days", "its place among the shopper's products of the last weeks"),
        _f("category_place", "its place among the shopper's products of its category"),
        _f("share_of_most", "how much it is bought, against what the shopper buys most"),
        _f("shopper_repeat_share", "how much of what is bought was bought before"),
        _f("quantity_last_over_mean", "whether more of it was bought than usually"),
        _f("decayed_per_line", "trips with it, each weighing less the fuller the basket was"),
        _f("decayed_per_root_line", "trips with it, each weighing a little less the fuller the basket was"),
        _f("share_of_baskets", "how much of a basket it usually is"),
        _f("lines_with", "products on a trip with it"),
        _f("lines_least", "products on the smallest trip with it"),
        _f("lines_with_over_mean", "whether it is bought on large trips or on small ones"),
        _f("sd_trips_back", "how scattered the trips with it are"),
        _f("last_8_trips", "which of the last eight trips it was bought on"),
        _f("shopper_last_lines", "products on the last trip"),
        _f("shopper_lines_mean_last_5", "products on the last five trips"),
        _f("shopper_sd_lines", "how different the sizes of the trips are"),
        _f("clientele_trips_7", "everybody's trips with it in the last 7 days"),
        _f("clientele_discount_share_7", "how much came off its price for everybody in the last 7 days"),
        _f("clientele_discount_share_28", "how much came off its price for everybody in the last 28 days"),
        _f("price_now", "what everybody paid for it lately, against what the shopper usually pays"),
        _f("clientele_rebuy_rate", "how often its buyers buy it again"),
        _f("clientele_habit", "how much it is bought by who buys it most"),
        _f("recency_over_clientele_gap", "how long ago it was bought, against how often others do"),
    ),
    (Learner.TREES, Learner.RANKING),
)

DISCOVERIES = Question(
    "discoveries",
    "a product that the shopper never bought is in the next basket, if there is one within 28 days",
    "discovery_features",
    ("shopper", "product"),
    (
        _f("expected", "the shopper's trips with its category times its share of the category"),
        *_OF_CATEGORY,
        _f("price_over_category", "its price against what is usually paid in its category"),
        *_CLIENTELE,
        _f("clientele_trips_7", "everybody's trips with it in the last 7 days"),
        _f("clientele_decayed_3_days", "everybody's trips with it, each weighing half as much as three days later"),
        _f("clientele_decayed_7_days", "everybody's trips with it, each weighing half as much as a week later"),
        _f("clientele_discount_share_7", "how much came off its price for everybody in the last 7 days"),
        _f("clientele_share_of_category", "how much of everybody's trips with its category it is in"),
        _f("clientele_share_of_kind", "how much of everybody's trips with its kind it is in"),
        _f("clientele_share_tried_of_category", "how much of what everybody tries of its category it is"),
        _f("clientele_share_tried_of_kind", "how much of what everybody tries of its kind it is"),
        _f("clientele_first_purchases_7", "how many bought it for the first time in the last 7 days"),
        _f("clientele_first_purchases_14", "how many bought it for the first time in the last 14 days"),
        _f("clientele_first_purchases_28", "how many bought it for the first time in the last 28 days"),
        _f("clientele_reach", "how many shoppers ever bought it"),
        _f("clientele_hazard_14", "how many of those who had never bought it did in the last 14 days"),
        _f("clientele_hazard_28", "how many of those who had never bought it did in the last 28 days"),
        _f("clientele_hazard_now", "how many of those who had never bought it do now"),
        _f("clientele_appeal", "how popular it is now, and how new to many"),
        _f("clientele_age", "how long ago somebody first bought it"),
        _f("price_level", "how dear it is in its category"),
        _f("shopper_price_level", "how dear what the shopper buys is, against the rest of its categories"),
        _f("price_level_difference", "whether it is dearer than what the shopper buys"),
        _f("category_distinct_products", "different products of its category bought"),
        _f("category_tried", "products of its category tried, the last ones weighing most"),
        _f("expected_of_category", "how much the shopper tries of its category, times how many try it"),
        _f("kind_distinct_products", "different products of its kind bought"),
        _f("kind_trips_91", "purchases of its kind in the last 91 days"),
        _f("kind_days_since_last", "days since something of its kind was bought"),
        _f("kind_weight", "how much the shopper buys of its kind"),
        _f("kind_tried", "products of its kind tried, the last ones weighing most"),
        _f("expected_of_kind", "how much the shopper buys of its kind, times its share of the kind"),
        _f("expected_anew_of_kind", "how much the shopper tries of its kind, times how many try it"),
        _f("affinity", "how much the shopper buys what its buyers buy more than others"),
        _f("pull", "how popular it is now, times how much the shopper buys of its kind"),
        _f("place", "its place among what the shopper could try"),
        _f("brand_share", "how much of what the shopper buys is of its brand"),
        _f("department_weight", "how much the shopper buys of its department"),
        _f("shopper_repeat_share", "how much of what is bought was bought before"),
        _f("shopper_products_a_trip", "products on a trip, the last ones weighing most"),
        _f("expected_anew", "how much the shopper tries, times how many try it"),
        *_SHOPPER,
    ),
    (Learner.TREES, Learner.LOGISTIC),
    kept=3 / 16,
)

CHURN = Question(
    "churn",
    "no purchase within 28 days",
    "shopper_features",
    ("shopper",),
    (
        _f("shopping_trips", "trips"),
        *_within("trips", (7, 14, 28, 42, 56, 91, 182), "shopping_trips"),
        *(_f(f"decayed_{n}_days", f"trips, each weighing half as much as {n} days later") for n in (14, 30, 60)),
        _f("first_shopping_age", "days since the first trip"),
        _f("days_since_shopping", "days since the last trip"),
        *(_f(f"days_since_shopping_{n}", f"days since the last trip but {n - 1}") for n in (2, 3, 5, 10)),
        _f("shopping_gap_mean", "days between two trips"),
        _f("shopping_gap_sd", "how regular the trips are"),
        _f("shopping_gap_longest", "the longest time between two trips"),
        *(_f(f"shopping_gap_last_{n}", f"days between the last {n + 1} trips") for n in (2, 4, 9)),
        _f("shopping_gap_longest_of_9", "the longest time between the last ten trips"),
        _f("recency_over_gap", "how long ago the last trip was, against how often there is one"),
        _f("recency_in_deviations", "how unusual it is not to have come for so long"),
        _f("weeks_with_shopping", "weeks with a trip"),
        _f("weeks_with_shopping_13", "weeks with a trip among the last 13"),
        _f("lines_mean", "products on a usual trip"),
        _f("lines_mean_last_5", "products on the last five trips"),
        _f("visits_28", "visits of any kind in the last 28 days"),
        _f("days_since_visit", "days since a visit of any kind"),
        _f("spend_28", "spent in the last 28 days"),
        _f("spend_91", "spent in the last 91 days"),
        _f("q50", "the usual basket's value"),
        _f("discount_share", "how much of all prices came off"),
        _f("distinct_categories", "different categories bought"),
    ),
    (Learner.TREES, Learner.LOGISTIC),
)

CATEGORIES = Question(
    "categories",
    "a purchase in the category within 14 days",
    "category_features",
    ("shopper", "category"),
    (
        *_BOUGHT,
        _f("items", "products of it bought"),
        _f("items_91", "products of it bought in the last 91 days"),
        _f("items_decayed_4", "products of it, each weighing half as much as four trips later"),
        _f("items_decayed_30_days", "products of it, each weighing half as much as a month later"),
        _f("items_decayed_90_days", "products of it, each weighing half as much as three months later"),
        *_SHOPPER,
        _f("shopper_trips_7", "trips in the last 7 days"),
        _f("shopper_trips_14", "trips in the last 14 days"),
        _f("shopper_spend_91", "spent in the last 91 days"),
        _f("shopper_distinct_categories", "different categories bought"),
        *_CLIENTELE,
        _f("clientele_share_28", "the share of everybody's trips with it in the last 28 days"),
        _f("recency_over_clientele_gap", "how long ago it was bought, against how often others do"),
    ),
    (Learner.TREES, Learner.LOGISTIC),
)

QUESTIONS: tuple[Question, ...] = (PRODUCTS, DISCOVERIES, CHURN, CATEGORIES)


EDITION = sha256(repr([(q.name, q.names, q.learners, q.kept) for q in QUESTIONS]).encode()).hexdigest()[:8]
"""Of what is learned from what. Names of models end with it (functions/training); those of another are replaced."""


def question(name: str) -> Question:
    """Raises:
    KeyError: nobody asks it.
    """
    return {asked.name: asked for asked in QUESTIONS}[name]
