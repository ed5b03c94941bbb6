"""What functions/modelling/project says of products never bought, written plainly in Python (`plain_statistics`)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import date

from tests.contracts.plain_statistics import DAY, Row, Shop, buying, shoppers

Kinds = Mapping[str, str | None]
"""Of a product the catalogue's type, else its category."""


def firsts(shop: Shop, as_of: date) -> dict[tuple[str, str], int]:
    """Days since a shopper first bought a product."""
    found: dict[tuple[str, str], int] = {}
    for shopper in shop.personal:
        for day, (_, products) in shop.trips(shopper, as_of).items():
            for product in products:
                found.setdefault((shopper, product), (as_of - day).days)
    return found


def kinds_bought(shop: Shop, as_of: date, kinds: Kinds) -> dict[tuple[str, str], Row]:
    """`shopper_kind_statistics`."""
    first, everybody = firsts(shop, as_of), shoppers(shop, as_of)
    groups: dict[tuple[str, str], list[tuple[Row, int]]] = defaultdict(list)
    for (shopper, product), row in buying(shop, as_of, False).items():
        if (kind := kinds.get(product)) is not None:
            groups[shopper, kind].append((row, first[shopper, product]))
    return {
        (shopper, kind): {
            "distinct_products": len(rows),
            "trips_91": sum(row["trips_91"] for row, _ in rows),
            "days_since_last": min(row["days_since_last"] for row, _ in rows),
            "decayed": (decayed := sum(row["decayed"] for row, _ in rows)),
            "tried": sum(0.5 ** (age / 60) for _, age in rows),
            "taste": min(1.0, decayed / everybody[shopper]["weight"]),
        }
        for (shopper, kind), rows in groups.items()
    }


def appeal(shop: Shop, as_of: date, kinds: Kinds) -> dict[str, Row]:
    """`product_appeal`, without what it takes over from `product_popularity`. Measured shoppers count."""
    held: dict[str, list[int]] = defaultdict(list)
    for (shopper, product), age in firsts(shop, as_of).items():
        if shopper in shop.measured:
            held[product].append(age)
    ages: dict[str, list[int]] = defaultdict(list)
    many = 0
    for shopper in shop.measured:
        trips = shop.trips(shopper, as_of)
        many += bool(trips)
        for day, (_, products) in trips.items():
            for product in products:
                if day >= as_of - 56 * DAY:
                    ages[product].append((as_of - day).days)
    made: dict[str, Row] = {}
    for product, first in held.items():
        if not any(age <= 28 for age in first):
            continue
        lately = sum(0.5 ** (age / 7) for age in ages[product])
        now = sum(0.5 ** (age / 5) for age in first) / (many - len(first) + 1)
        made[product] = {
            "kind": kinds.get(product),
            "trips_7": sum(age <= 7 for age in ages[product]),
            **{f"first_purchases_{n}": sum(age <= n for age in first) for n in (7, 14, 28)},
            "age": float(max(first)),
            "reach": len(first) / many,
            "hazard_now": now,
            "decayed_3_days": sum(0.5 ** (age / 3) for age in ages[product]),
            "decayed_7_days": lately,
            "appeal": math.sqrt((lately + 0.5) * (now + 0.0001)),
        }
    best_first = sorted(made, key=lambda product: (-made[product]["appeal"], product))
    for place, product in enumerate(best_first, 1):
        made[product]["place"] = place
    return made


def marks(shop: Shop, as_of: date, kinds: Kinds, least: int) -> dict[tuple[str, str], Row]:
    """`product_marks`, of a shop with fewer kinds than a product has marks.

    Args:
        least: buyers of 28 days; a product with fewer has none.
    """
    tastes: dict[str, dict[str, float]] = defaultdict(dict)
    for (shopper, kind), row in kinds_bought(shop, as_of, kinds).items():
        if shopper in shop.measured:
            tastes[shopper][kind] = row["taste"]
    many = sum(bool(shop.trips(shopper, as_of)) for shopper in shop.measured)
    usual: dict[str, float] = defaultdict(float)
    for own in tastes.values():
        for kind, taste in own.items():
            usual[kind] += taste / many
    bought = buying(shop, as_of, False)
    made: dict[tuple[str, str], Row] = {}
    for product in appeal(shop, as_of, kinds):
        buyers = [who for who in tastes if bought.get((who, product), {}).get("trips_28")]
        for kind, mean in usual.items():
            if len(buyers) >= least and mean >= 0.002:
                theirs = sum(tastes[who].get(kind, 0.0) for who in buyers)
                more = (theirs + 10 * mean) / (len(buyers) + 10) / mean
                made[product, kind] = {"usual": mean, "difference": math.log(more)}
    return made
