"""What is simpler: the baselines that the predictions must beat, from the same purchases before the cut."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from emulators.shop.journey_data import Order, Product
from tests.evaluation.history import goods

HALF_LIFE_TRIPS = 12
POPULAR_DAYS = 14
MOST = 20


@dataclass(frozen=True, slots=True)
class Past:
    """Fast-moving consumer goods before the cut: of each household the products of each day, and the cut."""

    cut: date
    days: Mapping[str, Mapping[date, set[str]]]

    @classmethod
    def of(cls, cut: date, orders: Sequence[Order], products: Mapping[str, Product]) -> Past:
        """Raises:
        AssertionError: an order is not before the cut.
        """
        days: dict[str, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
        for order in orders:
            assert order.day < cut, "an order of the future among those of the past"
            bought = goods(order, products)
            if bought:
                days[order.customer][order.day] |= bought
        return cls(cut, {household: dict(found) for household, found in days.items()})

    def trips(self, household: str) -> int:
        return len(self.days.get(household, ()))

    def days_since_last(self, household: str) -> int:
        return (self.cut - max(self.days[household])).days

    def bought(self, household: str) -> set[str]:
        return set().union(*self.days.get(household, {}).values())


def popular(past: Past) -> list[str]:
    """Products in most baskets of the last 14 days, best first."""
    since = past.cut - timedelta(days=POPULAR_DAYS)
    counts = Counter(
        product for days in past.days.values() for day, bought in days.items() if day >= since for product in bought
    )
    return [product for product, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def frequent(past: Past, household: str) -> list[str]:
    """A household's own products, by trips."""
    counts = Counter(product for bought in past.days.get(household, {}).values() for product in bought)
    return [product for product, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))][:MOST]


def recent(past: Past, household: str) -> list[str]:
    """The same, each trip weighing half as much as twelve trips later."""
    weights: dict[str, float] = defaultdict(float)
    for back, (_, bought) in enumerate(sorted(past.days.get(household, {}).items(), reverse=True)):
        for product in bought:
            weights[product] += 0.5 ** (back / HALF_LIFE_TRIPS)
    return [product for product, _ in sorted(weights.items(), key=lambda item: (-item[1], item[0]))][:MOST]
