"""`parameters.sql` on the emulator, against the formula of its README written plainly in Python.

One dataset holds all that must not count beside what must: rows delivered twice, events after the run's clock and
before the contract, shoppers who refused one purpose or both, departments that are no products.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from functions.cooling.rules import cool
from functions.scoring.features import Features
from functions.scoring.pages import KEY
from functions.scoring.rules import (
    HALF_LIFE_TRIPS,
    PRICES,
    PRICES_DAYS,
    PRIOR_TRIPS,
    SQL,
    WINDOW_DAYS,
    binding,
)
from layers.declarations.settings import Settings
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, Purposes
from layers.events.record import Record
from layers.facts import PRODUCTS
from layers.retailers import AbsentConsent, Contract, Retailer
from layers.scoring_runs.shards import Shard
from layers.stores.bigquery.port import Parameter
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from tests.contracts.datasets import make_dataset

pytestmark = pytest.mark.emulators

PROJECT = "scoring"
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
SHOP = Retailer(
    id="demo",
    name="Demo",
    write_key="w" * 16,
    read_key="r" * 16,
    origins=(),
    timezone=str(ZONE),
    contract=Contract(transactions=365),
    absent_consent=AbsentConsent.GRANTED,
)
CATALOGUE = [
    {"product": f"p{n}", "department": "GROCERY", "category": f"C{n % 5}", "brand": f"b{n % 3}"} for n in range(35)
] + [{"product": "coupon", "department": "COUPON", "category": "COUPONS"}]
"""Of 40 products: five are sold and in no catalogue."""

Orders = dict[str, list[OrderPaid]]


def shopper(name: int) -> str:
    return f"01{name * 2 % 16:x}{name:031x}"


def history() -> Orders:
    """Random orders of eight shoppers over a year and a half, several on some days; some of the next hours."""
    draw = random.Random(7)
    orders: Orders = {}
    for name in range(8):
        own = [f"p{draw.randrange(40)}" for _ in range(6)]
        orders[shopper(name)] = []
        at = NOW
        for number in range(draw.randint(10, 40)):
            if number % 4 != 3:
                at = NOW - timedelta(minutes=draw.randint(0, 560 * 24 * 60))
            else:
                at += timedelta(minutes=draw.randint(1, 180))
            if number < 2:
                at = NOW + timedelta(hours=number)
            products = sorted(
                {*draw.sample(own, 2), f"p{draw.randrange(40)}"} | ({"coupon"} if number % 4 == 0 else set())
            )
            lines = tuple(
                OrderLine(
                    product,
                    paid=draw.choice([0.0, 1.25, 2.5, 9.99]),
                    quantity=draw.choice([1, 2, 0.5]) if draw.random() < 0.8 else msgspec.UNSET,
                    discount=0.5 if draw.random() < 0.5 else msgspec.UNSET,
                )
                for product in products
            )
            total = round(sum(line.paid for line in lines), 2)
            id = f"order-{name}-{number}"
            orders[shopper(name)].append(OrderPaid(id=id, at=at, order=id, total=total, lines=lines))
    return orders


PERSONAL, MEASURED = {0, 1, 2, 4, 7}, {0, 1, 2, 3, 7}
"""Who may be personalised, and who may count in what is said of everybody, by `consents`."""


def consents() -> list[tuple[str, ConsentChanged]]:
    """Shopper 6 refused in the end, 7 agreed in the end; 5 refuses only after the run's clock, 3 refuses to be
    personalised and 4 to be measured. Of the others nothing is known. In 7's last millisecond the larger id holds."""
    both = {"personalisation": True, "measurement": True}
    changes: tuple[tuple[int, float, str, dict[str, bool]], ...] = (
        (6, 20, "", both),
        (6, 10, "", {"rewards": True}),
        (7, 20, "", {}),
        (7, 10, "", {}),
        (7, 10 + 1e-9, "z", both),
        (5, -1, "", {}),
        (3, 5, "", {"measurement": True}),
        (4, 5, "", {"personalisation": True}),
    )
    return [
        (
            shopper(name),
            ConsentChanged(
                id=f"consent-{name}-{round(days)}{more}",
                at=NOW + timedelta(microseconds=500) - timedelta(days=days),
                purposes=Purposes(**purposes),
            ),
        )
        for name, days, more, purposes in changes
    ]


def counted(orders: Orders, names: set[int]) -> Orders:
    """What may count of these shoppers: before the clock, within the contract."""
    oldest = NOW - timedelta(days=365)
    kept = {
        who: [order for order in bought if oldest <= order.at < NOW]
        for who, bought in orders.items()
        if who in {shopper(name) for name in names}
    }
    return {who: bought for who, bought in kept.items() if bought}


def day(order: OrderPaid) -> date:
    return order.at.astimezone(ZONE).date()


def probabilities(personal: Orders, measured: Orders, things: dict[str, str]) -> dict[str, dict[str, float]]:
    """The README's formula. `things`: what a product counts as (itself, or its category). A product that nobody
    bought lately is a candidate only for who bought it."""
    orders = personal | measured
    weights: dict[str, dict[date, float]] = {}
    bought: dict[str, dict[str, set[date]]] = {}
    for who, those in orders.items():
        days = sorted({day(order) for order in those}, reverse=True)
        weights[who] = {moment: 0.5 ** (back / HALF_LIFE_TRIPS) for back, moment in enumerate(days)}
        bought[who] = defaultdict(set)
        for order in those:
            for line in order.lines:
                if line.product in things:
                    bought[who][things[line.product]].add(day(order))
    newest = max(max(weights[who]) for who in measured)
    recent = {(who, d) for who in measured for d in weights[who] if d > newest - timedelta(days=WINDOW_DAYS)}
    share: dict[str, float] = defaultdict(float)
    for who, those_things in bought.items():
        for thing, days_bought in those_things.items():
            share[thing] += len({d for d in days_bought if (who, d) in recent}) / len(recent)
    return {
        who: {
            thing: (sum(weights[who][d] for d in bought[who].get(thing, ())) + PRIOR_TRIPS * share[thing])
            / (sum(weights[who].values()) + PRIOR_TRIPS)
            for thing in {*(thing for thing in share if share[thing]), *bought[who]}
        }
        for who in personal
    }


@dataclass
class Scored:
    expected: Orders
    measured: Orders
    features: dict[str, Features]
    prices: dict[str, float]


@pytest.fixture(scope="module")
def scored(bigquery_emulator: tuple[str, str]) -> Scored:
    import asyncio

    rest, storage = bigquery_emulator
    values = Settings(
        {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
    )
    dataset, orders = make_dataset(rest, PROJECT), history()

    async def deliver() -> None:
        facts = BigQueryFacts.of(values)
        events: Iterable[tuple[str, Event]] = [
            *((who, order) for who, those in orders.items() for order in those),
            *consents(),
        ]
        records = [
            Record(shopper=who, session="s", channel="history", received=NOW, event=event) for who, event in events
        ]
        for _ in range(2):
            for cooled in cool(records):
                await facts.append(dataset, cooled.table, cooled.columns)
        await facts.close()

    asyncio.run(deliver())
    warehouse = BigQueryWarehouse.of(values)
    warehouse.replace(dataset, PRODUCTS, CATALOGUE)
    sql = SQL.replace("{dataset}", f"{PROJECT}.{dataset}")
    # Each shopper is in one of the two shards; what the clientele does is the same in both.
    rows = [
        row
        for number in range(2)
        for row in warehouse.query(sql.replace("{shard}", Shard(number, 2).condition(KEY, ["01"])), binding(SHOP, NOW))
    ]
    assert len(rows) == len({row["shopper"] for row in rows})
    features = {row["shopper"]: Features.of(row) for row in rows}
    asked: dict[str, Parameter] = {
        "now": NOW,
        "since": NOW - timedelta(days=PRICES_DAYS),
        "products": ["p39", "p1"],
        "categories": ["C2", "C3"],
        "unknown_consent": True,
    }
    found = warehouse.query(PRICES.replace("{dataset}", f"{PROJECT}.{dataset}"), asked)
    prices = {row["product"]: row["price"] for row in found}
    assert len(prices) == len(found)
    return Scored(counted(orders, PERSONAL), counted(orders, MEASURED), features, prices)


def test_the_data_covers_what_must_not_count() -> None:
    orders = history()
    for name in range(8):
        assert counted(orders, {name}), "who refuses must have orders that would count"
    every = [order for those in orders.values() for order in those]
    assert any(order.at >= NOW for order in every)
    assert any(order.at < NOW - timedelta(days=365) for order in every)
    assert any(order.at.date() != day(order) for order in every)
    assert len({(who, day(order)) for who, those in orders.items() for order in those}) < len(every)


def test_one_row_for_each_shopper_who_may_be_personalised(scored: Scored) -> None:
    assert set(scored.features) == set(scored.expected)
    assert set(scored.features) == {shopper(name) for name in PERSONAL}
    assert {who: found.orders for who, found in scored.features.items()} == {
        who: len(those) for who, those in scored.expected.items()
    }


def test_products_are_as_likely_as_the_formula_says_best_first(scored: Scored) -> None:
    expected = probabilities(scored.expected, scored.measured, {f"p{n}": f"p{n}" for n in range(40)})
    for who, found in scored.features.items():
        assert found.products is not None
        best = sorted(((-round(p, 6), product) for product, p in expected[who].items()))[:30]
        assert [product.id for product in found.products] == [product for _, product in best]
        assert [product.probability for product in found.products] == pytest.approx([-p for p, _ in best], abs=2e-6)
        assert len(found.products) >= 10


def test_categories_are_as_likely_as_the_formula_says(scored: Scored) -> None:
    category = {product["product"]: product["category"] for product in CATALOGUE if product["product"] != "coupon"}
    expected = probabilities(scored.expected, scored.measured, category)
    for who, found in scored.features.items():
        bought = {category.get(line.product) for order in scored.expected[who] for line in order.lines} - {None}
        assert found.categories is not None
        assert {c.name: c.probability for c in found.categories} == pytest.approx(
            {name: expected[who][name] for name in bought if name}, abs=2e-6
        )


def test_the_catalogue_says_category_and_brand_where_it_knows_the_product(scored: Scored) -> None:
    catalogue = {product["product"]: product for product in CATALOGUE}
    for found in scored.features.values():
        for product in found.products or ():
            known = catalogue.get(product.id, {})
            assert (product.category, product.department, product.brand) == tuple(
                known.get(name) for name in ("category", "department", "brand")
            )


def nearest_rank(values: Iterable[float], tenths: float) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * tenths / 10) - 1]


def test_the_usual_price_is_the_median_of_the_last_purchases_with_a_quantity(scored: Scored) -> None:
    own = {who: unit_prices(those) for who, those in scored.expected.items()}
    everybodys: dict[str, list[float]] = defaultdict(list)
    for prices in (unit_prices(those) for those in scored.measured.values()):
        for id, dated in prices.items():
            everybodys[id] += [price for _, price in dated]
    from_own = from_everybody = 0
    for who, found in scored.features.items():
        for product in found.products or ():
            last = [price for _, price in sorted(own[who][product.id], reverse=True)[:5]]
            from_own += bool(last)
            from_everybody += not last
            known = last or everybodys[product.id]
            assert product.price == (pytest.approx(nearest_rank(known, 5)) if known else None)
    assert min(from_own, from_everybody) > 20


def unit_prices(orders: list[OrderPaid]) -> dict[str, list[tuple[datetime, float]]]:
    found: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for order in orders:
        for line in order.lines:
            if line.quantity is not msgspec.UNSET and line.paid > 0:
                found[line.product].append((order.at, line.paid / line.quantity))
    return found


def test_usual_basket_and_stretch_are_orders_at_their_places(scored: Scored) -> None:
    for who, found in scored.features.items():
        totals = [order.total for order in scored.expected[who]]
        found_at = (found.q10, found.q25, found.usual, found.stretch, found.q75, found.q90)
        assert found_at == tuple(nearest_rank(totals, tenths) for tenths in (1, 2.5, 5, 6, 7.5, 9))


def test_trips_of_the_last_four_weeks_are_days_with_an_order(scored: Scored) -> None:
    today = NOW.astimezone(ZONE).date()
    for who, found in scored.features.items():
        days = {day(order) for order in scored.expected[who]}
        assert found.trips_28 == sum(today - timedelta(days=28) <= each for each in days)


def test_the_price_of_what_is_promoted_is_the_median_of_a_quarter_by_who_may_be_counted(scored: Scored) -> None:
    """Of the products and categories that campaigns name, and of no other."""
    category = {product["product"]: product["category"] for product in CATALOGUE}
    quarter = NOW - timedelta(days=PRICES_DAYS)
    paid: dict[str, list[float]] = defaultdict(list)
    for those in scored.measured.values():
        for id, dated in unit_prices([order for order in those if order.at >= quarter]).items():
            if id in ("p39", "p1") or category.get(id) in ("C2", "C3"):
                paid[id] += [price for _, price in dated]
    assert len(paid) > 5
    assert scored.prices == {id: pytest.approx(nearest_rank(prices, 5), abs=0.006) for id, prices in paid.items()}


def test_discounts_are_summed_over_products_only(scored: Scored) -> None:
    for who, found in scored.features.items():
        lines: list[Any] = [line for order in scored.expected[who] for line in order.lines if line.product != "coupon"]
        assert found.paid == pytest.approx(sum(line.paid for line in lines))
        assert found.discount == pytest.approx(
            sum(0 if line.discount is msgspec.UNSET else line.discount for line in lines)
        )
