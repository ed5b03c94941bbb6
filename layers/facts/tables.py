"""Tables, their columns, and the view that counts each row once.

Cooling writes `cooled_<name>`; delivery is at least once, so a row may stand there twice. Everybody reads the view
`<name>`, which keeps one row per (`event_id`, `position`). All columns are flat: Storage Write takes them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from layers.retailers import RetentionClass


class ColumnType(StrEnum):
    """BigQuery's own names."""

    STRING = "STRING"
    INT64 = "INT64"
    FLOAT64 = "FLOAT64"
    NUMERIC = "NUMERIC"
    BOOL = "BOOL"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: ColumnType
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table of every retailer's dataset.

    Attributes:
        events: the event types whose rows it takes: each event exactly one row, at position 0, in exactly one table
            that is not `beside` another.
        beside: the table that its events have their one row in, whose column `line_count` says how many are here.
        retention: the class whose contract is its partitions' expiry; None for data about no shopper.
        newest_by: columns whose largest value wins where a row stands twice; without, any copy is as good.
        cooled: written by cooling, at least once, and read through a view.
        timed_by: the column that dates a row, for retention and erasure; a DATE is a day in the retailer's time zone.
        days: a row's delay, where it is shorter than the contract's.
        derived: computed from the facts by a model, which makes the table itself: it may not be there yet.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    retention: RetentionClass | None
    events: tuple[str, ...] = ()
    beside: str = ""
    newest_by: tuple[str, ...] = ()
    cooled: bool = True
    timed_by: str = "at"
    days: int | None = None
    derived: bool = False

    @property
    def stored_as(self) -> str:
        return f"cooled_{self.name}" if self.cooled else self.name

    @property
    def holds_shoppers(self) -> bool:
        return any(column.name == "shopper" for column in self.columns)

    @property
    def dated(self) -> Column:
        """The column `timed_by`.

        Raises:
            StopIteration: it has no such column, as a table about no shopper.
        """
        return next(column for column in self.columns if column.name == self.timed_by)


_S, _I, _N, _B, _T = ColumnType.STRING, ColumnType.INT64, ColumnType.NUMERIC, ColumnType.BOOL, ColumnType.TIMESTAMP

_COMMON = (
    Column("event_id", _S, "the event's own id", required=True),
    Column("position", _I, "the row's place in its event, from 0", required=True),
    Column("shopper", _S, "pseudonym", required=True),
    Column("session", _S, "the sender's session id", required=True),
    Column("channel", _S, "web, app, store, server, history or officer", required=True),
    Column("at", _T, "when it happened; the partition's day", required=True),
    Column("received", _T, "when ingest took it", required=True),
)


def _fact(
    name: str, meaning: str, retention: RetentionClass, events: tuple[str, ...], *columns: Column, beside: str = ""
) -> Table:
    return Table(name, meaning, _COMMON + columns, retention, events, beside)


_BROWSING, _TRANSACTIONS = RetentionClass.BROWSING, RetentionClass.TRANSACTIONS

FACTS: tuple[Table, ...] = (
    _fact(
        "page_views",
        "A page seen or a link followed.",
        _BROWSING,
        ("PageViewed", "LinkClicked"),
        Column("type", _S, "PageViewed or LinkClicked", required=True),
        Column("page", _S, "path, without query string", required=True),
        Column("kind", _S, "home, category, search, product, basket, checkout, account or other"),
        Column("category", _S, "of the page, as the retailer names it"),
        Column("target", _S, "where a link led"),
        Column("seconds", ColumnType.FLOAT64, "how long the page was seen"),
        Column("store", _S, "whose shop the page showed"),
    ),
    _fact(
        "searches",
        "A search, scrubbed of addresses and numbers.",
        _BROWSING,
        ("Searched",),
        Column("query", _S, "the words", required=True),
        Column("results", _I, "how many were found"),
    ),
    _fact(
        "product_views",
        "A product's page seen.",
        _BROWSING,
        ("ProductViewed",),
        Column("product", _S, "product id", required=True),
        Column("price", _N, "of one unit, as shown"),
    ),
    _fact(
        "basket_changes",
        "A product put into the basket (quantity above 0) or taken out (below 0).",
        _BROWSING,
        ("AddedToBasket", "RemovedFromBasket"),
        Column("product", _S, "product id", required=True),
        Column("quantity", _N, "signed", required=True),
        Column("price", _N, "of one unit", required=True),
    ),
    _fact(
        "basket_validations",
        "A basket taken to checkout.",
        _BROWSING,
        ("BasketValidated",),
        Column("total", _N, "of the basket", required=True),
        Column("lines", _I, "how many products"),
    ),
    _fact(
        "orders",
        "An order paid.",
        _TRANSACTIONS,
        ("OrderPaid",),
        Column("order_id", _S, "the retailer's order id", required=True),
        Column("total", _N, "paid", required=True),
        Column("line_count", _I, "its lines", required=True),
        Column("store", _S, "store id"),
        Column("payment", _S, "how it was paid: card, wallet, transfer, meal_voucher, gift_card, cash, other"),
    ),
    _fact(
        "order_lines",
        "A product of a paid order; position is the line's place.",
        _TRANSACTIONS,
        ("OrderPaid",),
        Column("order_id", _S, "the retailer's order id", required=True),
        Column("product", _S, "product id", required=True),
        Column("quantity", _N, "pieces, weight or volume; absent where the till did not record it"),
        Column("paid", _N, "for the line, after discount", required=True),
        Column("discount", _N, "of the line"),
        beside="orders",
    ),
    _fact(
        "order_statuses",
        "What became of an order; of an order's, the newest with a total says what the shopper keeps.",
        _TRANSACTIONS,
        ("OrderStatusUpdated",),
        Column("order_id", _S, "the retailer's order id", required=True),
        Column("status", _S, "confirmed, prepared, shipped, delivered, cancelled or refunded", required=True),
        Column("total", _N, "paid for what the shopper keeps; absent where the status does not say what that is"),
        Column("line_count", _I, "its lines in `kept_lines`; absent likewise"),
    ),
    _fact(
        "kept_lines",
        "A product that the shopper keeps of an order, as of a status; position is the line's place.",
        _TRANSACTIONS,
        ("OrderStatusUpdated",),
        Column("order_id", _S, "the retailer's order id", required=True),
        Column("product", _S, "product id", required=True),
        Column("quantity", _N, "pieces, weight or volume, as delivered"),
        Column("paid", _N, "for the line, after discount", required=True),
        Column("discount", _N, "of the line"),
        Column("substituted_for", _S, "the product that was ordered, where this one came in its place"),
        beside="order_statuses",
    ),
    _fact(
        "experience_events",
        "An experience seen or clicked.",
        _BROWSING,
        ("ExperienceShown", "ExperienceClicked"),
        Column("type", _S, "ExperienceShown or ExperienceClicked", required=True),
        Column("decision", _S, "the decision that chose it", required=True),
        Column("kind", _S, "promotion, game, recommendation, tension or default", required=True),
        Column("node", _S, "of the tree"),
        Column("product", _S, "product id"),
    ),
    _fact(
        "consents",
        "A consent given or withdrawn, kept as proof; of a shopper's the newest by (`at`, event_id) holds.",
        RetentionClass.CONSENT,
        ("ConsentChanged",),
        Column("measurement", _B, "purpose", required=True),
        Column("personalisation", _B, "purpose", required=True),
        Column("advertising", _B, "purpose", required=True),
        Column("rewards", _B, "purpose", required=True),
        Column("tcf", _S, "IAB TCF string, as it came"),
        Column("ad_storage", _S, "Google Consent Mode: granted or denied; absent where the page did not set it"),
        Column("analytics_storage", _S, "Google Consent Mode"),
        Column("ad_user_data", _S, "Google Consent Mode"),
        Column("ad_personalization", _S, "Google Consent Mode"),
    ),
)

DECISIONS = Table(
    "decisions",
    "A shopper's move in the tree. A late event makes a newer revision of the decisions after it: the largest wins, "
    "and of one revision the latest consent.",
    (
        *_COMMON,
        Column("revision", _I, "how many events of the journey the decision counted", required=True),
        Column("consent_at", _T, "when the consent that counted was given; absent where none was known"),
        Column("tree", _S, "tree id", required=True),
        Column("tree_version", _S, "version of the tree", required=True),
        Column("parameters_version", _S, "version of the shopper's parameters; empty where there were none"),
        Column("node_before", _S, "where the shopper stood", required=True),
        Column("node_after", _S, "where the shopper stands", required=True),
        Column("reason", _S, "the conditions that held, as JSON", required=True),
        Column("shown", _S, "the experiences, as JSON", required=True),
        Column("propensity", ColumnType.FLOAT64, "probability with which this was chosen", required=True),
        Column("control", _B, "in the permanent control group; absent where there were no parameters"),
        Column("offers", _S, "at a visit's start all offers held, later those shown, with their alternatives, as JSON"),
    ),
    RetentionClass.DECISIONS,
    newest_by=("revision", "consent_at"),
)

PRODUCTS = Table(
    "products",
    "The retailer's catalogue, replaced whole at each delivery.",
    (
        Column("product", _S, "product id", required=True),
        Column("brand", _S, "brand or manufacturer"),
        Column("department", _S, "of the store"),
        Column("category", _S, "product category"),
        Column("type", _S, "product type"),
    ),
    retention=None,
    cooled=False,
)

TRAINED_MODELS = Table(
    "trained_models",
    "The models that shoppers are scored with, each training in parts; the newest that is whole is in use.",
    (
        Column("version", _S, "names the training", required=True),
        Column("trained_at", _T, "when", required=True),
        Column("trained_until", _S, "the local day before which all that was learnt from happened", required=True),
        Column("part", _I, "place of this part, from 0", required=True),
        Column("parts", _I, "how many there are", required=True),
        Column("text", _S, "a part of the models as JSON (layers.learning)", required=True),
        Column("figures", _S, "how good each model was on days that it had not seen, as JSON", required=True),
    ),
    retention=None,
    cooled=False,
)

ONE_ROW_AN_EVENT: tuple[Table, ...] = tuple(table for table in FACTS if not table.beside)
"""Every event is one row of one of these."""

TABLES: tuple[Table, ...] = (*FACTS, DECISIONS, PRODUCTS, TRAINED_MODELS)
"""Every table of a retailer's dataset."""


def moment_sql(table: Table, row: str = "") -> str:
    """The earliest moment of which something may stand in a row, as SQL.

    A day begins somewhere up to fourteen hours before it begins in UTC.

    Args:
        row: the table's alias in the statement, with its dot.
    """
    if table.dated.type is ColumnType.DATE:
        return f"TIMESTAMP_SUB(TIMESTAMP({row}`{table.timed_by}`), INTERVAL 14 HOUR)"
    # Quoted, because `at` is a reserved word of GoogleSQL.
    return f"{row}`{table.timed_by}`"


def view_sql(table: Table, dataset: str) -> str:
    """The query of the view `<name>`: each row once.

    `at` stands in PARTITION BY so that a filter on it reaches the table's partitions through the window.

    Args:
        dataset: `project.dataset`.
    """
    order = ", ".join(f"{column} DESC" for column in (*table.newest_by, "received"))
    # Quoted, because `at` is a reserved word of GoogleSQL.
    columns = ", ".join(f"`{column.name}`" for column in table.columns)
    return (
        f"SELECT {columns} FROM `{dataset}.{table.stored_as}` WHERE TRUE\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY `at`, event_id, position ORDER BY {order}) = 1"
    )
