"""The tables that models derive from the facts, in the retailer's own dataset: their columns, and when a row must go.

dbt makes them (functions/modelling/project), so infra does not: it would fight over them every night. They are declared
here all the same, because erasure, retention and the register of processing go by declarations. A test proves that both
sides name the same tables and columns. Whoever adds a model that is a table declares it here.
"""

from __future__ import annotations

from layers.facts.questions import QUESTIONS, Question
from layers.facts.tables import Column, ColumnType, Table
from layers.retailers import RetentionClass

STALE_DAYS = 8
"""What is made anew every night is no longer needed when it was not for so long: then the models do not run, and what
was computed would outlive the facts that it was computed from. A week, so that a long weekend costs nobody anything."""

_S, _I, _F, _B = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64, ColumnType.BOOL
_T, _D = ColumnType.TIMESTAMP, ColumnType.DATE
_TRANSACTIONS = RetentionClass.TRANSACTIONS

_SHOPPER = Column("shopper", _S, "pseudonym", required=True)
_DAY = Column("day", _D, "the trip's day in the retailer's time zone", required=True)
BUILT = Column("built", _T, "the moment of the run that computed the row", required=True)

_MOMENT = (
    Column("as_of", _D, "the local day before which everything counts, and nothing later", required=True),
    Column("purpose", _S, "score, for the day of the run; train, for an earlier day that models learn from", True),
)
_PLACE = (
    Column("category", _S, "product category; absent where the catalogue does not know the product"),
    Column("department", _S, "of the store"),
)


def kept_by_day(name: str, meaning: str, *columns: Column) -> Table:
    """A table that grows day by day: its rows go when the contract's delay has passed since their day."""
    return Table(name, meaning, columns, _TRANSACTIONS, cooled=False, timed_by="day", derived=True)


def renewed(name: str, meaning: str, *columns: Column) -> Table:
    """A table that is made anew by every run."""
    if not any(column.name == "shopper" for column in columns):
        return Table(name, meaning, columns, None, cooled=False, derived=True)
    columns = (*columns, BUILT)
    return Table(name, meaning, columns, _TRANSACTIONS, cooled=False, timed_by="built", days=STALE_DAYS, derived=True)


def _counts(thing: str) -> tuple[Column, ...]:
    return (
        *(Column(f"trips_{n}", _I, f"trips of the last {n} days with the {thing}", True) for n in (7, 14, 28, 56, 91)),
        Column("trips_all", _I, f"trips with the {thing}", required=True),
        *(Column(f"in_last_{n}", _I, f"of the last {n} trips, those with the {thing}", True) for n in (3, 5, 10, 20)),
        Column("decayed", _F, "sum of 0.5^(trips back / 12) over those trips", required=True),
        Column("days_since_last", _I, "days from the last of those trips to `as_of`", required=True),
        Column("trips_since_last", _I, "trips made since the last of those trips", required=True),
        Column("mean_gap_days", _F, "mean days between those trips; absent after one"),
        Column("recency_over_gap", _F, "days_since_last over mean_gap_days"),
        Column("usual_price", _F, f"median unit price of the last five trips with the {thing} and a price; the lower"),
        Column("discount_share", _F, "of what those lines were worth, the share that came off; 0 to 1"),
    )


PURCHASES = kept_by_day(
    "purchases",
    "What a shopper bought of one product on one day, as the till says it. Read `trip_products`, which knows the"
    " catalogue of today.",
    _SHOPPER,
    _DAY,
    Column("product", _S, "product id", required=True),
    Column("quantity", _F, "pieces, weight or volume; absent where no till recorded it"),
    Column("paid", _F, "after discount", required=True),
    Column("discount", _F, "what came off", required=True),
    Column("price", _F, "mean unit price, of the lines with a quantity and an amount above 0"),
    Column("received", _T, "when the last of these lines was taken", required=True),
)
BASKETS = kept_by_day(
    "baskets",
    "What a shopper paid on one day. Read `trips`.",
    _SHOPPER,
    _DAY,
    Column("basket_value", _F, "total of the day's orders", required=True),
    Column("orders", _I, "how many they were", required=True),
    Column("received", _T, "when the last of them was taken", required=True),
)
CONSENTING_SHOPPERS = renewed(
    "consenting_shoppers",
    "Who may be personalised or counted: shoppers with an order and one of both consents.",
    _SHOPPER,
    Column("personal", _B, "agrees to personalisation: has statistics of their own", required=True),
    Column("measured", _B, "agrees to measurement: counts in what the clientele does", required=True),
)
TRIPS = renewed(
    "trips",
    "A local day on which a shopper bought.",
    _SHOPPER,
    _DAY,
    Column("basket_value", _F, "paid that day", required=True),
    Column("lines", _I, "different products", required=True),
    Column("discount", _F, "what came off those products", required=True),
    Column("trip_number", _I, "1 for the shopper's first trip within the contract", required=True),
    Column("days_since_previous", _I, "absent for the first"),
    Column("personal", _B, "as in consenting_shoppers", required=True),
    Column("measured", _B, "as in consenting_shoppers", required=True),
)
SHOPPER_PRODUCT_STATISTICS = renewed(
    "shopper_product_statistics",
    "How a shopper buys each product.",
    *_MOMENT,
    _SHOPPER,
    Column("product", _S, "product id", required=True),
    *_PLACE,
    Column("brand", _S, "brand or manufacturer"),
    *_counts("product"),
)
SHOPPER_CATEGORY_STATISTICS = renewed(
    "shopper_category_statistics",
    "How a shopper buys each category.",
    *_MOMENT,
    _SHOPPER,
    Column("category", _S, "product category", required=True),
    Column("department", _S, "of the store"),
    *_counts("category"),
)
SHOPPER_STATISTICS = renewed(
    "shopper_statistics",
    "How often, how recently and for how much a shopper buys.",
    *_MOMENT,
    _SHOPPER,
    Column("trips", _I, "trips before `as_of`", required=True),
    Column("first_day_age", _I, "days from the first trip to `as_of`", required=True),
    Column("days_since_last", _I, "days from the last trip to `as_of`", required=True),
    Column("mean_gap_days", _F, "mean days between trips; absent after one"),
    Column("sd_gap_days", _F, "standard deviation of the days between trips, of a sample; absent below three trips"),
    Column("recency_over_gap", _F, "days_since_last over mean_gap_days"),
    *(Column(f"trips_{n}", _I, f"trips of the last {n} days", True) for n in (7, 14, 28, 56, 91)),
    *(Column(f"spend_{n}", _F, f"paid in the last {n} days", True) for n in (28, 91)),
    *(Column(f"q{n}", _F, f"{n} % quantile of the trips' basket values", True) for n in (10, 25, 50, 60, 75, 90)),
    Column("lines_mean", _F, "different products of a trip, in the mean", required=True),
    Column("discount_share", _F, "of what was bought, the share of its worth that came off; 0 to 1"),
    Column("recency_score", _I, "1 to 5 by quintile of the clientele's days_since_last; 5 is the most recent"),
    Column("frequency_score", _I, "1 to 5 by quintile of trips in 364 days"),
    Column("monetary_score", _I, "1 to 5 by quintile of what was paid in 364 days"),
    Column("segment", _S, "name of the pair of recency and frequency scores"),
    Column("distinct_products", _I, "different products bought", required=True),
    Column("distinct_categories", _I, "different categories bought", required=True),
    Column("weight", _F, "sum of 0.5^(trips back / 12) over the trips", required=True),
)
PROMOTION_HISTORY = renewed(
    "promotion_history",
    "How a shopper buys each category with and without a discount.",
    *_MOMENT,
    _SHOPPER,
    Column("category", _S, "product category", required=True),
    Column("lines_full_price", _I, "products of a trip without discount", required=True),
    Column("lines_discounted", _I, "products of a trip with one", required=True),
    Column("discount_share", _F, "share of those with one; 0 to 1", required=True),
    Column("mean_depth", _F, "of those with one, the mean share of the worth that came off; 0 to 1"),
)


def _popularity(thing: str) -> tuple[Column, ...]:
    return (
        *(Column(f"trips_{n}", _I, f"trips of the last {n} days with the {thing}", True) for n in (14, 28, 91)),
        Column("shoppers_28", _I, "shoppers of those 28 days", required=True),
        *(
            Column(f"share_{n}", _F, f"of all trips of the last {n} days, those with it; 0 to 1", True)
            for n in (14, 28)
        ),
        Column("repeat_rate", _F, "of who bought it in 91 days, the share who did so on two trips or more"),
        Column("mean_price", _F, "mean unit price of those 91 days"),
    )


PRODUCT_POPULARITY = renewed(
    "product_popularity",
    "What the clientele buys, of the shoppers who agreed to be counted.",
    *_MOMENT,
    Column("product", _S, "product id", required=True),
    *_PLACE,
    Column("brand", _S, "brand or manufacturer"),
    *_popularity("product"),
)
CATEGORY_POPULARITY = renewed(
    "category_popularity",
    "What the clientele buys by category, of the shoppers who agreed to be counted.",
    *_MOMENT,
    Column("category", _S, "product category", required=True),
    Column("department", _S, "of the store"),
    *_popularity("category"),
)

SHOPPER_KIND_STATISTICS = renewed(
    "shopper_kind_statistics",
    "How a shopper buys each kind of product: the catalogue's type, else its category.",
    *_MOMENT,
    _SHOPPER,
    Column("kind", _S, "product type, or category where the catalogue has no type", required=True),
    Column("distinct_products", _I, "different products of it bought", required=True),
    Column("trips_91", _I, "purchases of its products in the last 91 days", required=True),
    Column("days_since_last", _I, "days from the last of its purchases to `as_of`", required=True),
    Column("decayed", _F, "sum of 0.5^(trips back / 12) over the purchases of its products", required=True),
    Column("tried", _F, "sum of 0.5^(days since the first purchase / 60) over its products", required=True),
    Column("taste", _F, "decayed, over that of all trips; 1 at most", required=True),
)
PRODUCT_APPEAL = renewed(
    "product_appeal",
    "The products that appeal most to who never bought them, of the shoppers who agreed to be counted.",
    *_MOMENT,
    Column("product", _S, "product id", required=True),
    *_PLACE,
    Column("brand", _S, "brand or manufacturer"),
    Column("kind", _S, "product type, or category where the catalogue has no type"),
    *(Column(f"trips_{n}", _I, f"trips of the last {n} days with the product", True) for n in (7, 14, 28, 91)),
    *(Column(f"share_{n}", _F, f"of all trips of the last {n} days, those with it; 0 to 1", True) for n in (14, 28)),
    Column("repeat_rate", _F, "of who bought it in 91 days, the share who did so on two trips or more"),
    Column("mean_price", _F, "mean unit price of those 91 days"),
    *(
        Column(f"first_purchases_{n}", _I, f"shoppers who bought it for the first time in {n} days", True)
        for n in (7, 14, 28)
    ),
    Column("age", _F, "days since somebody first bought it", required=True),
    Column("reach", _F, "share of the shoppers who ever bought it", required=True),
    *(
        Column(f"hazard_{n}", _F, f"of who had not bought it before, the share who did in {n} days; 0 to 1")
        for n in (14, 28)
    ),
    Column("hazard_now", _F, "first purchases by 0.5^(days / 5), over who never bought it", required=True),
    Column("decayed_3_days", _F, "sum of 0.5^(days / 3) over its trips of 56 days", required=True),
    Column("decayed_7_days", _F, "sum of 0.5^(days / 7) over its trips of 56 days", required=True),
    Column("discount_share_7", _F, "of what it was worth in 7 days, the share that came off; 0 to 1"),
    Column("category_share", _F, "of all trips of 28 days, those with its category; 0 to 1", required=True),
    Column("share_of_category", _F, "of its category's trips of 28 days, those with it"),
    Column("share_of_kind", _F, "of its kind's purchases of 28 days, its own"),
    Column("share_tried_of_category", _F, "of its category's first purchases of 28 days, its own"),
    Column("share_tried_of_kind", _F, "of its kind's first purchases of 28 days, its own"),
    Column("price_level", _F, "logarithm of its mean price over its category's"),
    Column("kind_taste", _F, "mean taste of all shoppers for its kind", required=True),
    Column("appeal", _F, "geometric mean of decayed_7_days and hazard_now", required=True),
    Column("place_in_category", _I, "by appeal", required=True),
    Column("place", _I, "by appeal", required=True),
)
PRODUCT_MARKS = renewed(
    "product_marks",
    "By what a product's buyers, five at least, differ from everybody, of the shoppers who agreed to be counted.",
    *_MOMENT,
    Column("product", _S, "product id", required=True),
    Column("kind", _S, "of what its buyers buy more, or less, than others", required=True),
    Column("usual", _F, "mean taste of all shoppers for that kind", required=True),
    Column("difference", _F, "logarithm of its buyers' mean taste over the usual", required=True),
)

PRICE_RESPONSES = renewed(
    "price_responses",
    "How trips with a product went with its price, by category, of the shoppers who agreed to be counted.",
    *_MOMENT,
    Column("category", _S, "product category", required=True),
    Column(
        "product_weeks", _I, "weeks in which a product was sold, of those sold in three weeks of four", required=True
    ),
    Column("products", _I, "how many products those are of", required=True),
    Column("sxx", _F, "sum of squares of ln(price) from its product's mean", required=True),
    Column("sxy", _F, "sum of products of that and ln(share of the week's trips) from its product's mean", True),
    Column("syy", _F, "sum of squares of the latter", required=True),
)

TARGETS = renewed(
    "targets",
    "Who bought a product within 28 days after a day that is learnt from. Read the tables of features.",
    _MOMENT[0],
    _SHOPPER,
    Column("next_day", _D, "the first of those days with a product", required=True),
    Column("trips", _I, "of those days with a product", required=True),
)


def _features(asked: Question) -> Table:
    things = tuple(Column(key, _S, f"{key} that is asked about", required=True) for key in asked.keys[1:])
    where = (*_PLACE, Column("brand", _S, "brand or manufacturer")) if "product" in asked.keys else ()
    return renewed(
        asked.table,
        f"What is known to predict: {asked.asks}.",
        *_MOMENT,
        _SHOPPER,
        *things,
        *where,
        *(Column(feature.name, _I if feature.whole else _F, feature.meaning) for feature in asked.features),
        Column(asked.target, _I, "1 where it came so, 0 where not; absent while nobody knows"),
    )


FEATURE_TABLES = tuple(_features(asked) for asked in QUESTIONS)

DERIVED: tuple[Table, ...] = (
    PURCHASES,
    BASKETS,
    CONSENTING_SHOPPERS,
    TRIPS,
    SHOPPER_PRODUCT_STATISTICS,
    SHOPPER_CATEGORY_STATISTICS,
    SHOPPER_STATISTICS,
    PROMOTION_HISTORY,
    PRODUCT_POPULARITY,
    CATEGORY_POPULARITY,
    SHOPPER_KIND_STATISTICS,
    PRODUCT_APPEAL,
    PRODUCT_MARKS,
    PRICE_RESPONSES,
    TARGETS,
    *FEATURE_TABLES,
)
"""Every table that a model makes. Views hold nothing of their own and are not listed."""
