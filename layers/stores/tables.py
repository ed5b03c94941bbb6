"""The Bigtable tables and their families, said once: infra makes them, the stores use them, erasure and retention know
them. Data only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from layers.retailers import Retailer, RetentionClass, family

EVENTS = "events"
SHOPPERS = "shoppers"
ARRIVALS = "arrivals"

PARAMETERS = "parameters"
STATE = "state"
CONSENT = "consent"
JOURNAL = "journal"

JOURNAL_DAYS = 3
"""An hour's arrivals are compared soon after it and again a day later; the rest is for runs that were missed."""

EVENT_CLASSES = (RetentionClass.BROWSING, RetentionClass.TRANSACTIONS, RetentionClass.CONSENT)
"""The retention classes that events fall in; decisions and rewards are kept elsewhere."""


@dataclass(frozen=True, slots=True)
class Family:
    """A column family and its garbage-collection rule: an age, or a number of versions."""

    name: str
    max_age_days: int | None = None
    max_versions: int | None = None


@dataclass(frozen=True, slots=True)
class HotTableSpec:
    """`holds_shoppers` says that erasure must have a step for it."""

    name: str
    row_key: str
    families: tuple[Family, ...]
    holds_shoppers: bool = True

    @property
    def app_profile(self) -> str:
        """The Bigtable app profile of the table's clients: one cluster, and compare-and-set for `shoppers` only."""
        return self.name


def hot_tables(retailers: Iterable[Retailer]) -> tuple[HotTableSpec, ...]:
    """All tables, with one event family for each delay that some retailer's contract names."""
    delays = sorted({(c, retailer.contract.days(c)) for retailer in retailers for c in EVENT_CLASSES})
    return (
        HotTableSpec(
            EVENTS,
            "retailer#pseudonym#<reversed ms>#<event id>",
            tuple(Family(family(retention, days), max_age_days=days) for retention, days in delays),
        ),
        HotTableSpec(
            SHOPPERS,
            "retailer#pseudonym",
            (Family(PARAMETERS, max_versions=3), Family(STATE, max_versions=1), Family(CONSENT, max_versions=1)),
        ),
        HotTableSpec(
            ARRIVALS,
            "retailer#<minute of arrival>#<random>, one column a shopper",
            (Family(JOURNAL, max_age_days=JOURNAL_DAYS),),
        ),
    )
