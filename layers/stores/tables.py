"""The Bigtable tables and their families, said once: infra makes them, the stores use them, erasure and retention know
them. Data only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from layers.declarations.lawfulness import LegalBasis
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
    """A column family and its garbage-collection rule: an age, or a number of versions.

    Attributes:
        retention: the class of the events in it. meaning, basis: of a family that holds no events.
    """

    name: str
    max_age_days: int | None = None
    max_versions: int | None = None
    retention: RetentionClass | None = None
    meaning: str = ""
    basis: LegalBasis | None = None


@dataclass(frozen=True, slots=True)
class HotTableSpec:
    """Attributes:
    holds_shoppers: erasure must have a step for it. swaps: its rows are changed by compare-and-set.
    """

    name: str
    row_key: str
    families: tuple[Family, ...]
    holds_shoppers: bool = True
    swaps: bool = False

    @property
    def app_profile(self) -> str:
        """The Bigtable app profile of the table's clients: one cluster, and compare-and-set where `swaps` says so."""
        return self.name


def hot_tables(
    retailers: Iterable[Retailer], retired: Mapping[RetentionClass, Sequence[int]] = MappingProxyType({})
) -> tuple[HotTableSpec, ...]:
    """All tables, with one event family for each delay that some retailer's contract names.

    Args:
        retired: days of former contracts, whose families still hold events: they keep their expiry until then.
    """
    delays = sorted(
        {(c, retailer.contract.days(c)) for retailer in retailers for c in EVENT_CLASSES}
        | {(c, days) for c, all_days in retired.items() for days in all_days}
    )
    return (
        HotTableSpec(
            EVENTS,
            "retailer#pseudonym#<reversed ms>#<event id>",
            tuple(Family(family(c, days), max_age_days=days, retention=c) for c, days in delays),
        ),
        HotTableSpec(
            SHOPPERS,
            "retailer#pseudonym",
            (
                Family(
                    PARAMETERS,
                    max_versions=3,
                    meaning="What scoring computed: likely products and categories, usual basket, threshold, gift.",
                    basis=LegalBasis.CONSENT,
                ),
                Family(
                    STATE,
                    max_versions=1,
                    meaning="Where the shopper stands in the tree: a fold of the newest events.",
                    basis=LegalBasis.CONSENT,
                ),
                Family(
                    CONSENT,
                    max_versions=1,
                    meaning="The newest `ConsentChanged`.",
                    basis=LegalBasis.OBLIGATION,
                ),
            ),
            swaps=True,
        ),
        HotTableSpec(
            ARRIVALS,
            "retailer#<minute of arrival>#<random>, one column a shopper",
            (
                Family(
                    JOURNAL,
                    max_age_days=JOURNAL_DAYS,
                    meaning="Which events arrived in which minute: pseudonym, time and event id.",
                    basis=LegalBasis.INTEREST,
                ),
            ),
            swaps=True,
        ),
    )
