"""The statistics of functions/modelling/project written plainly in Python, from orders and consents alone.

Each is worked out for one day on its own, from what happened before it: no window, no join, no increment.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from layers.events.model import OrderPaid

Row = dict[str, Any]
DAY = timedelta(days=1)
WINDOWS = (7, 14, 28, 56, 91)


@dataclass
class Bought:
    """Of one product on one day."""

    quantity: float = 0.0
    paid: float = 0.0
    discount: float = 0.0
    prices: list[tuple[float, float]] = field(default_factory=list)

    @property
    def price(self) -> float | None:
        """Paid and quantity of the lines that have both."""
        units = sum(quantity for _, quantity in self.prices)
        return sum(paid for paid, _ in self.prices) / units if units else None


@dataclass
class Shop:
    """Args:
    catalogue: (category, department, brand) by product. personal, measured: shoppers by what they agree to.
    """

    orders: Mapping[str, Sequence[OrderPaid]]
    catalogue: Mapping[str, tuple[str, str, str]]
    personal: set[str]
    measured: set[str]
    zone: ZoneInfo
    oldest: datetime

    def trips(self, shopper: str, before: date) -> dict[date, tuple[float, dict[str, Bought]]]:
        """Basket value and products by day, in order."""
        found: dict[date, tuple[float, dict[str, Bought]]] = {}
        first = self.oldest.astimezone(self.zone).date()
        for order in sorted(self.orders[shopper], key=lambda order: order.at):
            day = order.at.astimezone(self.zone).date()
            if not first < day < before:
                continue
            value, products = found.get(day, (0.0, {}))
            for line in order.lines:
                if self.catalogue.get(line.product, ("", "", ""))[1] == "COUPON":
                    continue
                bought = products.setdefault(line.product, Bought())
                bought.paid += line.paid
                bought.discount += 0.0 if line.discount is msgspec.UNSET else line.discount
                if line.quantity is not msgspec.UNSET and line.quantity > 0 and line.paid > 0:
                    bought.prices.append((line.paid, line.quantity))
            found[day] = (value + order.total, products)
        return dict(sorted(found.items()))

    def category(self, product: str) -> str | None:
        return self.catalogue[product][0] if product in self.catalogue else None


def place(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(round(len(ordered) * share, 9)) - 1]


Thing = tuple[float, float, float | None]
"""Paid, discount and price of one thing on one trip."""


def things(shop: Shop, products: Mapping[str, Bought], by_category: bool) -> dict[str, Thing]:
    """Of a trip, by product or by category."""
    found: dict[str, list[Bought]] = defaultdict(list)
    for product, bought in products.items():
        name = shop.category(product) if by_category else product
        if name is not None:
            found[name].append(bought)
    told = {}
    for name, several in found.items():
        prices = [bought.price for bought in several if bought.price is not None]
        price = statistics.fmean(prices) if prices else None
        told[name] = (sum(b.paid for b in several), sum(b.discount for b in several), price)
    return told


def buying(shop: Shop, as_of: date, by_category: bool) -> dict[tuple[str, str], Row]:
    """`shopper_product_statistics` or `shopper_category_statistics`."""
    rows: dict[tuple[str, str], Row] = {}
    for shopper in shop.personal:
        trips = shop.trips(shopper, as_of)
        back = {day: len(trips) - 1 - n for n, day in enumerate(trips)}
        days: dict[str, list[date]] = defaultdict(list)
        each: dict[str, list[tuple[float, float, float | None]]] = defaultdict(list)
        for day, (_, products) in trips.items():
            for thing, told in things(shop, products, by_category).items():
                days[thing].append(day)
                each[thing].append(told)
        for thing, bought in days.items():
            last = (as_of - bought[-1]).days
            gap = (bought[-1] - bought[0]).days / (len(bought) - 1) if len(bought) > 1 else None
            prices = [price for _, _, price in each[thing] if price is not None][-5:]
            discount, paid = sum(d for _, d, _ in each[thing]), sum(p for p, _, _ in each[thing])
            rows[shopper, thing] = {
                **{f"trips_{n}": sum(day >= as_of - n * DAY for day in bought) for n in WINDOWS},
                "trips_all": len(bought),
                **{f"in_last_{n}": sum(back[day] < n for day in bought) for n in (3, 5, 10, 20)},
                "decayed": sum(0.5 ** (back[day] / 12) for day in bought),
                "days_since_last": last,
                "trips_since_last": back[bought[-1]],
                "mean_gap_days": gap,
                "recency_over_gap": last / gap if gap else None,
                "usual_price": place(prices, 0.5) if prices else None,
                "discount_share": discount / (discount + paid) if discount + paid else None,
            }
    return rows


def shoppers(shop: Shop, as_of: date) -> dict[str, Row]:
    """`shopper_statistics`, without the scores."""
    rows: dict[str, Row] = {}
    for shopper in shop.personal | shop.measured:
        trips = shop.trips(shopper, as_of)
        if not trips:
            continue
        days, values = list(trips), [value for value, _ in trips.values()]
        gaps = [(later - earlier).days for earlier, later in pairwise(days)]
        bought = [each for _, products in trips.values() for each in products.values()]
        names = {product for _, products in trips.values() for product in products}
        discount, paid = sum(b.discount for b in bought), sum(b.paid for b in bought)
        gap = statistics.fmean(gaps) if gaps else None
        last = (as_of - days[-1]).days

        def spent(within: int, trips: Mapping[date, tuple[float, Any]] = trips) -> float:
            return sum(value for day, (value, _) in trips.items() if day >= as_of - within * DAY)

        rows[shopper] = {
            "trips": len(days),
            "first_day_age": (as_of - days[0]).days,
            "days_since_last": last,
            "mean_gap_days": gap,
            "sd_gap_days": statistics.stdev(gaps) if len(gaps) > 1 else None,
            "recency_over_gap": last / gap if gap else None,
            **{f"trips_{n}": sum(day >= as_of - n * DAY for day in days) for n in WINDOWS},
            **{f"spend_{n}": spent(n) for n in (28, 91)},
            **{f"q{n}": place(values, n / 100) for n in (10, 25, 50, 60, 75, 90)},
            "lines_mean": len(bought) / len(days),
            "discount_share": discount / (discount + paid) if discount + paid else None,
            "distinct_products": len(names),
            "distinct_categories": len({c for c in map(shop.category, names) if c is not None}),
            "weight": sum(0.5 ** (back / 12) for back in range(len(days))),
            "year": (sum(day >= as_of - 364 * DAY for day in days), spent(364)),
        }
    return rows


def scored(shop: Shop, rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows of the personal, with their scores against the quintiles of the measured."""
    crowd = [row for shopper, row in rows.items() if shopper in shop.measured]

    def score(row: Row, of: Callable[[Row], float], higher_is_better: bool) -> int | None:
        if not crowd:
            return None
        above = sum(of(row) > place(map(of, crowd), n / 5) for n in (1, 2, 3, 4))
        return 1 + above if higher_is_better else 5 - above

    made = {}
    for shopper, row in rows.items():
        if shopper in shop.personal:
            made[shopper] = {name: value for name, value in row.items() if name != "year"} | {
                "recency_score": score(row, lambda r: r["days_since_last"], False),
                "frequency_score": score(row, lambda r: r["year"][0], True),
                "monetary_score": score(row, lambda r: r["year"][1], True),
            }
    return made


def popularity(shop: Shop, as_of: date, by_category: bool) -> dict[str, Row]:
    """`product_popularity` or `category_popularity`."""
    held: dict[str, list[tuple[str, date, float | None]]] = defaultdict(list)
    visits: list[date] = []
    for shopper in shop.measured:
        for day, (_, products) in shop.trips(shopper, as_of).items():
            visits.append(day)
            for thing, (_, _, price) in things(shop, products, by_category).items():
                held[thing].append((shopper, day, price))
    made = {}
    for thing, bought in held.items():

        def lately(within: int, bought: Sequence[tuple[str, date, Any]] = bought) -> list[tuple[str, date, Any]]:
            return [each for each in bought if each[1] >= as_of - within * DAY]

        quarter = [who for who, _, _ in lately(91)]
        prices = [price for _, _, price in lately(91) if price is not None]
        made[thing] = {
            **{f"trips_{n}": len(lately(n)) for n in (14, 28, 91)},
            "shoppers_28": len({who for who, _, _ in lately(28)}),
            **{
                f"share_{n}": len(lately(n)) / total if (total := sum(d >= as_of - n * DAY for d in visits)) else 0.0
                for n in (14, 28)
            },
            "repeat_rate": sum(quarter.count(who) > 1 for who in set(quarter)) / len(set(quarter)) if quarter else None,
            "mean_price": statistics.fmean(prices) if prices else None,
        }
    return made


def promotions(shop: Shop, as_of: date) -> dict[tuple[str, str], Row]:
    """`promotion_history`."""
    held: dict[tuple[str, str], list[Bought]] = defaultdict(list)
    for shopper in shop.personal:
        for _, products in shop.trips(shopper, as_of).values():
            for product, bought in products.items():
                category = shop.category(product)
                if category is not None:
                    held[shopper, category].append(bought)
    made = {}
    for key, several in held.items():
        depths = [b.discount / (b.discount + b.paid) for b in several if b.discount > 0]
        made[key] = {
            "lines_full_price": len(several) - len(depths),
            "lines_discounted": len(depths),
            "discount_share": len(depths) / len(several),
            "mean_depth": statistics.fmean(depths) if depths else None,
        }
    return made
