"""The dbt project on the emulator, against the same statistics written plainly in Python (`plain_statistics.py`).

One dataset holds all that must not count beside what must: rows delivered twice, orders from the run's day on and from
before the contract, shoppers who refuse one purpose or both, departments that are no products.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from functions.consent_erasure import rules as erasure
from functions.consent_erasure.telling import facts_sql, row_kept_until
from functions.cooling.rules import cool
from functions.modelling.building import DbtBuilder, Ran
from functions.modelling.rules import Status, Step, local_day, steps, variables, verdict
from functions.retention_purge import rules as purge
from functions.retention_purge import suppressed
from layers.declarations.settings import Settings
from layers.events.model import ConsentChanged, Event, OrderLine, OrderPaid, Purposes
from layers.events.record import Record
from layers.facts import DERIVED, PRODUCTS
from layers.learning import QUESTIONS
from layers.privacy.suppression import digest, digest_prefix, suppression_id
from layers.retailers import AbsentConsent, Contract, Retailer
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts
from layers.stores.firestore.port import Document
from tests.contracts import plain_discoveries as discoveries
from tests.contracts import plain_statistics as plain
from tests.contracts.datasets import make_dataset

pytestmark = pytest.mark.emulators

PROJECT = "models"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
AS_OF, TRAINING = date(2026, 11, 22), [date(2026, 9, 6), date(2026, 10, 25)]
CONTRACT_DAYS = 365
SHOP = Retailer(
    id="demo",
    name="Demo",
    write_key="w" * 16,
    read_key="r" * 16,
    origins=(),
    timezone=str(ZONE),
    contract=Contract(transactions=CONTRACT_DAYS),
    absent_consent=AbsentConsent.GRANTED,
)
CATALOGUE = {f"p{n}": (f"C{n % 5}", "GROCERY", f"b{n % 3}") for n in range(35)} | {"coupon": ("COUPONS", "COUPON", "")}
"""Of 40 products: five are sold and in no catalogue."""

TYPES = {product: f"T{int(product[1:]) % 7}" for product in CATALOGUE if product != "coupon" and int(product[1:]) % 4}
KINDS = {product: TYPES.get(product, category) for product, (category, _, _) in CATALOGUE.items()}
"""One product of four has no type, and its category instead."""

LEAST_BUYERS = 2
FEW = {"least_buyers": LEAST_BUYERS}
"""Ten shoppers hardly ever meet at a product."""

Orders = dict[str, list[OrderPaid]]


def shopper(name: int) -> str:
    return f"01{name:032x}"


def order(draw: random.Random, id: str, at: datetime, products: Iterable[str]) -> OrderPaid:
    lines = tuple(
        OrderLine(
            product,
            paid=draw.choice([0.0, 1.25, 2.5, 9.99]),
            quantity=draw.choice([1, 2, 0.5]) if draw.random() < 0.8 else msgspec.UNSET,
            discount=0.5 if draw.random() < 0.4 else msgspec.UNSET,
        )
        for product in products
    )
    return OrderPaid(id=id, at=at, order=id, total=round(sum(line.paid for line in lines), 2), lines=lines)


def history() -> Orders:
    """Random orders of ten shoppers over a year and a half, several on some days; some on the run's day and after."""
    draw = random.Random(11)
    orders: Orders = {}
    for name in range(10):
        own = [f"p{draw.randrange(40)}" for _ in range(6)]
        orders[shopper(name)] = []
        at = NOW
        for number in range(draw.randint(12, 45)):
            # Beginning with one on the run's day: by local midnight it is too late to count.
            at = NOW - timedelta(minutes=draw.randint(0, 520 * 24 * 60)) if number % 4 else at
            at = at + timedelta(minutes=draw.randint(1, 300)) if number % 4 == 0 else at
            products = {*draw.sample(own, 2), f"p{draw.randrange(40)}"} | ({"coupon"} if number % 4 == 0 else set())
            orders[shopper(name)].append(order(draw, f"order-{name}-{number}", at, sorted(products)))
    # Something that many try at about the same time, before each day.
    for number, day in enumerate((AS_OF, *TRAINING)):
        for name in range(7):
            at = datetime.combine(day, time(12), ZONE) - timedelta(days=5 + name)
            orders[shopper(name)].append(order(draw, f"tried-{name}-{number}", at, [f"p{20 + number}"]))
    return orders


PERSONAL, MEASURED = {0, 1, 2, 4, 5, 7, 8, 9}, {0, 1, 2, 3, 5, 7, 8, 9}
CONSENTS = ((6, {"rewards": True}), (3, {"measurement": True}), (4, {"personalisation": True}))
"""Shopper 6 refuses both, 3 to be personalised and 4 to be measured. Of the others nothing is known."""


def consent(name: int, days: float, purposes: dict[str, bool]) -> tuple[str, Event]:
    at = NOW - timedelta(days=days)
    return shopper(name), ConsentChanged(id=f"consent-{name}-{days}", at=at, purposes=Purposes(**purposes))


class Site:
    """A retailer's dataset on the emulator."""

    def __init__(self, bigquery: tuple[str, str]) -> None:
        rest, storage = bigquery
        self.values = Settings(
            {"GONDOLA_PROJECT": PROJECT, "BIGQUERY_EMULATOR_HOST": rest, "BIGQUERY_STORAGE_EMULATOR_HOST": storage}
        )
        self.rest, self.dataset = rest, make_dataset(rest, PROJECT)
        self.warehouse = BigQueryWarehouse.of(self.values)
        catalogue = [
            {
                "product": product,
                "category": category,
                "department": department,
                "brand": brand,
                "type": TYPES.get(product),
            }
            for product, (category, department, brand) in CATALOGUE.items()
        ]
        self.warehouse.replace(self.dataset, PRODUCTS, catalogue)

    def deliver(self, events: Iterable[tuple[str, Event]], received: datetime = NOW, times: int = 1) -> None:
        async def append() -> None:
            facts = BigQueryFacts.of(self.values)
            records = [
                Record(shopper=who, session="s", channel="history", received=received, event=event)
                for who, event in events
            ]
            for _ in range(times):
                for cooled in cool(records):
                    await facts.append(self.dataset, cooled.table, cooled.columns)
            await facts.close()

        asyncio.run(append())

    def build(self, run: datetime, days: list[date], *select: str) -> tuple[Status, list[Step]]:
        builder = DbtBuilder(PROJECT, self.rest, select=select)
        ran: Ran = asyncio.run(builder.build(self.dataset, variables(SHOP, run, days) | FEW, lambda *_: None))
        made = steps(ran.results) if ran.results else []
        return verdict(ran.succeeded, made), made

    def rows(self, table: str, where: str = "TRUE") -> list[dict[str, Any]]:
        return self.warehouse.query(f"SELECT * FROM `{PROJECT}.{self.dataset}.{table}` AS t WHERE {where}")


def reference(orders: Orders, run: datetime, personal: set[int] = PERSONAL) -> plain.Shop:
    known = {who: tuple(those) for who, those in orders.items()}
    names = {n for n in range(10) if shopper(n) in orders}
    return plain.Shop(
        known,
        CATALOGUE,
        {shopper(n) for n in personal & names},
        {shopper(n) for n in MEASURED & names},
        ZONE,
        run - timedelta(days=CONTRACT_DAYS),
    )


@pytest.fixture(scope="module")
def site(bigquery_emulator: tuple[str, str]) -> Iterator[Site]:
    """Built once, of everything."""
    made = Site(bigquery_emulator)
    events: list[tuple[str, Event]] = [(who, each) for who, those in history().items() for each in those]
    made.deliver([*events, *(consent(name, 5, purposes) for name, purposes in CONSENTS)], times=2)
    status, told = made.build(NOW, TRAINING)
    assert status is Status.BUILT, [step for step in told if step.status not in ("success", "pass")]
    yield made


def agrees(found: list[dict[str, Any]], key: tuple[str, ...], expected: dict[Any, plain.Row]) -> None:
    """Row by row and column by column."""
    rows = {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row for row in found}
    assert len(rows) == len(found) and rows.keys() == expected.keys()
    for name, row in expected.items():
        for column, value in row.items():
            where = (name, column)
            if isinstance(value, float):
                assert rows[name][column] == pytest.approx(value), where
            else:
                assert rows[name][column] == value, where


@pytest.mark.parametrize("as_of", [AS_OF, *TRAINING], ids=str)
class TestStatistics:
    def test_products(self, site: Site, as_of: date) -> None:
        found = site.rows("shopper_product_statistics", f"t.as_of = DATE '{as_of}'")
        agrees(found, ("shopper", "product"), plain.buying(reference(history(), NOW), as_of, False))
        assert {row["purpose"] for row in found} == {"score" if as_of == AS_OF else "train"}
        places = {(row["product"], row["category"], row["department"], row["brand"]) for row in found}
        assert places == {(p, *CATALOGUE.get(p, (None,) * 3)) for p, *_ in places}

    def test_categories(self, site: Site, as_of: date) -> None:
        found = site.rows("shopper_category_statistics", f"t.as_of = DATE '{as_of}'")
        agrees(found, ("shopper", "category"), plain.buying(reference(history(), NOW), as_of, True))

    def test_shoppers(self, site: Site, as_of: date) -> None:
        shop = reference(history(), NOW)
        found = site.rows("shopper_statistics", f"t.as_of = DATE '{as_of}'")
        agrees(found, ("shopper",), plain.scored(shop, plain.shoppers(shop, as_of)))
        assert all(row["segment"] for row in found)

    def test_popularity(self, site: Site, as_of: date) -> None:
        shop = reference(history(), NOW)
        for table, thing, by_category in (("product", "product", False), ("category", "category", True)):
            found = site.rows(f"{table}_popularity", f"t.as_of = DATE '{as_of}'")
            agrees(found, (thing,), plain.popularity(shop, as_of, by_category))

    def test_kinds_and_what_appeals(self, site: Site, as_of: date) -> None:
        shop, day = reference(history(), NOW), f"t.as_of = DATE '{as_of}'"
        bought = discoveries.kinds_bought(shop, as_of, KINDS)
        agrees(site.rows("shopper_kind_statistics", day), ("shopper", "kind"), bought)
        agrees(site.rows("product_appeal", day), ("product",), discoveries.appeal(shop, as_of, KINDS))
        agrees(
            site.rows("product_marks", day), ("product", "kind"), discoveries.marks(shop, as_of, KINDS, LEAST_BUYERS)
        )
        marked = {product for product, _ in discoveries.marks(shop, as_of, KINDS, LEAST_BUYERS)}
        assert marked and marked < set(discoveries.appeal(shop, as_of, KINDS)), "of one buyer nothing is told"
        # How much a shopper buys what a product's buyers buy more than others.
        told: dict[str, list[tuple[str, dict[str, float]]]] = {}
        for (product, kind), mark in discoveries.marks(shop, as_of, KINDS, LEAST_BUYERS).items():
            told.setdefault(product, []).append((kind, mark))
        rows = site.rows("discovery_features", day)
        assert len(rows) > 3
        for row in rows:
            expected = sum(
                (bought.get((row["shopper"], kind), {}).get("taste", 0.0) - mark["usual"]) * mark["difference"]
                for kind, mark in told.get(row["product"], ())
            )
            assert row["affinity"] == pytest.approx(expected, abs=1e-9)
            assert (row["shopper"], row["product"]) not in discoveries.firsts(shop, as_of)

    def test_promotions(self, site: Site, as_of: date) -> None:
        found = site.rows("promotion_history", f"t.as_of = DATE '{as_of}'")
        agrees(found, ("shopper", "category"), plain.promotions(reference(history(), NOW), as_of))


def test_what_is_learnt_from_is_what_would_have_been_asked_on_that_day(
    site: Site, bigquery_emulator: tuple[str, str]
) -> None:
    """A shop that lives on a training day, and has nothing of that day and later, asks its models the very rows that
    the later shop learns from: no purchase after a cut moves a figure, and to learn and to score are one statement."""
    day = TRAINING[-1]
    then = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    oldest = (NOW - timedelta(days=CONTRACT_DAYS)).astimezone(ZONE).date()
    known = {
        who: [each for each in those if oldest < each.at.astimezone(ZONE).date() < day]
        for who, those in history().items()
    }
    later = [each for those in history().values() for each in those if each.at.astimezone(ZONE).date() >= day]
    assert len(later) > 10, "and there is something that must not be seen"
    earlier = Site(bigquery_emulator)
    earlier.deliver([(who, each) for who, those in known.items() for each in those])
    earlier.deliver([consent(name, 60, purposes) for name, purposes in CONSENTS])
    # Without the tests of the data: what was received lately is none of this shop's.
    ran = asyncio.run(
        DbtBuilder(PROJECT, bigquery_emulator[0], select=("+path:models/features,resource_type:model",)).build(
            earlier.dataset, variables(SHOP, then, []) | FEW, lambda *_: None
        )
    )
    assert ran.results
    for question in QUESTIONS:
        keys = question.keys
        asked = {tuple(row[key] for key in keys): row for row in earlier.rows(question.table)}
        learnt = site.rows(question.table, f"t.as_of = DATE '{day}'")
        assert learnt, question.name
        assert {row["purpose"] for row in asked.values()} == {"score"}
        for row in learnt:
            name = tuple(row[key] for key in keys)
            for column in question.names:
                assert row[column] == pytest.approx(asked[name][column], nan_ok=True), (question.name, name, column)


def test_the_data_covers_what_must_not_count(site: Site) -> None:
    days = [each.at.astimezone(ZONE).date() for those in history().values() for each in those]
    assert any(day >= AS_OF for day in days) and any(day < AS_OF - timedelta(days=CONTRACT_DAYS) for day in days)
    assert len(set(days)) < len(days)
    assert local_day(SHOP, NOW) == AS_OF
    reached = {row["segment"] for row in site.rows("shopper_statistics")}
    assert len(reached) >= 4


def test_every_declared_table_is_made_and_who_refuses_both_is_in_none(site: Site) -> None:
    there = site.warehouse.names(site.dataset)
    for table in DERIVED:
        if table.name == "trained_models":
            continue
        assert table.stored_as in there, f"{table.name} is declared, and dbt made none"
        if table.holds_shoppers:
            assert not site.rows(table.stored_as, f"t.shopper = '{shopper(6)}'"), table.name
    assert not [name for name in there if name.endswith("__dbt_tmp")]


def test_what_dbt_made_is_told_swept_purged_and_erased_by_the_declared_statements(site: Site) -> None:
    """On the tables as dbt made them, with the columns and types that they really have."""
    anne, bert, full = shopper(0), shopper(1), f"{PROJECT}.{site.dataset}"
    tables = [table for table in DERIVED if table.holds_shoppers and table.name != "trained_models"]
    told: dict[str, Any] = {
        "prefix": digest_prefix(SHOP.id),
        "shopper": digest(SHOP.id, anne),
        "after": NOW - timedelta(days=999),
    }
    suppression = Document(suppression_id(SHOP.id, bert), {"since": NOW + timedelta(days=1)}, None)
    [swept] = suppressed.Erased(SHOP.id, [suppression]).bindings()
    for table in tables:
        before = len(site.rows(table.stored_as, f"t.shopper IN ('{anne}', '{bert}')"))
        package = site.warehouse.query(facts_sql(full, table), told)
        assert package and all(row_kept_until(SHOP, table, row) for row in package), table.name
        gone = site.warehouse.execute(suppressed.delete_sql(full, table), swept)
        bound = erasure.binding(SHOP.id, [anne])
        gone += site.warehouse.execute(erasure.delete_sql(full, table), bound)
        assert gone == before > len(package) > 0, table.name
        assert site.warehouse.query(erasure.count_sql(full, table), bound) == [{"found": 0}]
        kept = site.warehouse.query(purge.kept_sql(full, table))[0]["kept"]
        assert kept > 0, "the others stay"
        assert site.warehouse.execute(purge.delete_sql(full, table), {"cutoff": NOW + timedelta(days=2)}) == kept


def test_the_next_night_takes_up_what_is_late_and_forgets_who_is_gone(bigquery_emulator: tuple[str, str]) -> None:
    site, orders, draw = Site(bigquery_emulator), history(), random.Random(3)
    late, new, again = shopper(0), shopper(9), shopper(6)
    later = {new: orders.pop(new)}
    site.deliver([(who, each) for who, those in orders.items() for each in those])
    site.deliver([consent(6, 5, {})])
    assert site.build(NOW, [], "consenting_shoppers", "purchases", "baskets")[0] is Status.BUILT
    assert not site.rows("purchases", f"t.shopper = '{again}'")

    # A line of a day long gone, a shopper nobody knew, one who agrees again, one who withdrew, one who is erased.
    forgotten = order(draw, "late-order", NOW - timedelta(days=200), ["p1", "p2"])
    orders[late].append(forgotten)
    orders |= later
    tomorrow = NOW + timedelta(days=1)
    site.deliver([(late, forgotten), *((new, each) for each in later[new])], received=tomorrow)
    both = {"personalisation": True, "measurement": True}
    site.deliver([consent(6, 1, both), consent(1, 1, {})])
    erased = shopper(2)
    for table in ("cooled_orders", "cooled_order_lines"):
        site.warehouse.execute(f"DELETE FROM `{PROJECT}.{site.dataset}.{table}` WHERE shopper = '{erased}'")
    del orders[erased], orders[shopper(1)]
    assert site.build(tomorrow, [], "consenting_shoppers", "purchases", "baskets")[0] is Status.BUILT

    shop = replace(reference(orders, tomorrow), personal=set(orders), measured=set())
    expected, values = {}, {}
    for who in orders:
        for day, (value, products) in shop.trips(who, AS_OF + timedelta(days=1)).items():
            values[who, day] = {"basket_value": value}
            for product, bought in products.items():
                expected[who, day, product] = {"paid": bought.paid, "discount": bought.discount, "price": bought.price}
    agrees(site.rows("baskets"), ("shopper", "day"), values)
    found = [row for row in site.rows("purchases") if row["product"] != "coupon"]
    agrees(found, ("shopper", "day", "product"), expected)


def test_a_test_that_fails_stops_what_depends_on_it(bigquery_emulator: tuple[str, str]) -> None:
    site = Site(bigquery_emulator)
    site.deliver([(shopper(0), order(random.Random(1), "o", NOW - timedelta(days=40), ["p1"]))])
    status, made = site.build(NOW, [])
    assert status is Status.REFUSED
    told = {step.name: step.status for step in made}
    assert told["source_up_to_date_facts_orders_at"] == "fail"
    assert {told[name] for name in ("baskets", "trips", "shopper_statistics", "product_popularity")} == {"skipped"}
    assert "shopper_statistics" not in site.warehouse.names(site.dataset)
