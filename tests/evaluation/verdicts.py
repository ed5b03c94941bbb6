"""Every comparison of the report, from the answers and what came after the cut. Reads the future, so it stands last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from emulators.shop.journey_data import Order, Product
from emulators.shop.journey_files import read_orders
from tests.evaluation import baselines, history, plain_categories
from tests.evaluation.answers import Answers
from tests.evaluation.baselines import Past
from tests.evaluation.judging import LEAST_TRIPS, Asked, lists, outcomes

OURS = "ours"
ACTIVE_DAYS = 28


def verdicts(
    cut: date,
    past: Past,
    given: Answers,
    products: Mapping[str, Product],
    orders: Sequence[Order],
) -> dict[str, Any]:
    future = history.truth(cut, products)
    judged = sorted(household for household in past.days if past.trips(household) >= LEAST_TRIPS)
    unknown = history.unknown(cut)
    if not future.baskets:
        return {"unknown": unknown}
    baskets = {household: future.baskets[household] for household in judged if household in future.baskets}
    popular = baselines.popular(past)
    models = {
        OURS: given.recommendations,
        "one of our boosted trees, binary objective": given.binary,
        "recency-weighted, half-life 12 trips": {h: baselines.recent(past, h) for h in baskets},
        "personal frequency": {h: baselines.frequent(past, h) for h in baskets},
        "global top, 14 days": dict.fromkeys(baskets, popular[:20]),
    }
    return {
        "unknown": unknown,
        "baskets": lists(models, baskets, OURS),
        "baskets_every_department": lists({OURS: given.recommendations}, _every_department(cut, orders), OURS),
        "discoveries": lists(
            {
                OURS: given.discoveries,
                "popular in the shopper's categories": given.popular_new,
                "popular, never bought": {h: _but(popular, past.bought(h)) for h in baskets},
            },
            {h: new for h, basket in baskets.items() if (new := basket - past.bought(h))},
            OURS,
        ),
        "churn": _churn(past, given, future) if future.whole else {},
        "categories": _categories(past, given, future, products) if future.categories_whole else {},
    }


def _but(best_first: Sequence[str], known: set[str], many: int = 20) -> list[str]:
    return [product for product in best_first if product not in known][:many]


def _every_department(cut: date, orders: Sequence[Order]) -> dict[str, set[str]]:
    """The same protocol for a scorer who counts whatever the till printed, fuel and coupons with it."""
    days: dict[str, set[date]] = {}
    for order in orders:
        days.setdefault(order.customer, set()).add(order.day)
    first: dict[str, date] = {}
    baskets: dict[str, set[str]] = {}
    for order in read_orders(cut, min(cut + history.HORIZON, history.LAST_DAY)):
        if len(days.get(order.customer, ())) < LEAST_TRIPS or order.day >= cut + history.HORIZON:
            continue
        if first.setdefault(order.customer, order.day) == order.day:
            baskets.setdefault(order.customer, set()).update(line.product for line in order.lines)
    return baskets


def _churn(past: Past, given: Answers, future: history.Truth) -> dict[str, Any]:
    found = {}
    groups = {
        f"active in the last {ACTIVE_DAYS} days, {LEAST_TRIPS} trips or more (as published)": [
            h for h in sorted(past.days) if past.trips(h) >= LEAST_TRIPS and past.days_since_last(h) <= ACTIVE_DAYS
        ],
        "every household": sorted(past.days),
    }
    for name, households in groups.items():
        ours = np.array([given.churn[h] for h in households])
        found[name] = outcomes(
            Asked(
                households,
                np.array([float(h not in future.shopped) for h in households]),
                {
                    OURS: ours,
                    "recency only": np.array([float(past.days_since_last(h)) for h in households]),
                    "trips of 91 days": np.array(
                        [-float(sum((past.cut - day).days <= 91 for day in past.days[h])) for h in households]
                    ),
                },
                ours,
            )
        )
    return found


def pairs(past: Past, products: Mapping[str, Product]) -> dict[str, list[tuple[str, str]]]:
    """The sets of households and categories that the published figures may be of, from what was known on a day."""
    days = _category_days(past, products)
    shares = _shares(days)
    popular = sorted(shares, key=lambda category: (-shares[category], category))
    judged = sorted(household for household in past.days if past.trips(household) >= LEAST_TRIPS)
    return {
        "categories that the household bought before": [
            (h, c) for h, c in sorted(days) if past.trips(h) >= LEAST_TRIPS
        ],
        "the 100 most bought categories, every household": [(h, c) for h in judged for c in popular[:100]],
        "the 150 most bought categories, every household": [(h, c) for h in judged for c in popular[:150]],
        "every category, every household": [(h, c) for h in judged for c in popular],
    }


def _category_days(past: Past, products: Mapping[str, Product]) -> dict[tuple[str, str], int]:
    days: dict[tuple[str, str], int] = {}
    for household, bought_on in past.days.items():
        for bought in bought_on.values():
            for category in {category for product in bought if (category := products[product].category) is not None}:
                days[household, category] = days.get((household, category), 0) + 1
    return days


def _shares(days: Mapping[tuple[str, str], int]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for (_, category), many in days.items():
        shares[category] = shares.get(category, 0) + many
    return shares


def _categories(
    past: Past, given: Answers, future: history.Truth, products: Mapping[str, Product]
) -> dict[str, dict[str, Any]]:
    days = _category_days(past, products)
    shares = _shares(days)
    sets = pairs(past, products)
    before = pairs(plain_categories.until(past, past.cut - history.CATEGORY_HORIZON), products)
    plain = plain_categories.baselines(past, products, sets, before)
    found = {}
    for name, asked in sets.items():
        ours = np.array([given.categories[h].get(c, 0.0) for h, c in asked])
        found[name] = outcomes(
            Asked(
                [h for h, _ in asked],
                np.array([float(c in future.categories.get(h, ())) for h, c in asked]),
                {
                    OURS: ours,
                    **plain[name],
                    "share of the household's trips": np.array(
                        [days.get(pair, 0) / past.trips(pair[0]) + 1e-9 * shares[pair[1]] for pair in asked]
                    ),
                },
                ours,
            )
        )
    return found
