"""Steps 1 and 2: the past as the retailer delivers it, taken through the front door, and found again row by row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

from emulators.shop.assortment import Assortment, noting_prices
from emulators.shop.audit import Audit
from emulators.shop.background import follow, in_background
from emulators.shop.bucket import upload
from emulators.shop.cold import Cold
from emulators.shop.deliveries import catalogue, day_files
from emulators.shop.documents import every_document, holds
from emulators.shop.hot import stored_ids
from emulators.shop.journey_data import LIVE_DAY, moved
from emulators.shop.journey_files import read_orders, read_products
from emulators.shop.screen import Screen, until
from emulators.shop.stage import DemoFailed, Stage
from layers.facts import FACTS, PRODUCTS
from layers.stores.bigquery.port import Unavailable

FIRST_DAY = date(2017, 1, 1)
RUNS = 20
"""Of the feeds job: a run ends when its time is up, and the next goes on. After so many it surely does not."""

_ORDERS = next(table for table in FACTS if table.name == "orders")
_LINES = next(table for table in FACTS if table.name == "order_lines")


@dataclass(slots=True)
class Delivered:
    """What lies in the bucket. `first`, `last`: moved days. `broken`: (file, line) -> fault."""

    files: int = 0
    orders: int = 0
    lines: int = 0
    size: int = 0
    products: int = 0
    first: date = date.max
    last: date = date.min
    broken: dict[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """What the feeds function says it took, in `seconds` of waiting for it."""

    files: int
    events: int
    runs: int
    seconds: float
    quarantined: list[dict[str, Any]]


def deliver(stage: Stage, shift: timedelta, days: int | None, screen: Screen) -> tuple[Delivered, Assortment]:
    """Fills the bucket.

    Args:
        days: only so many before the live day; None for all.

    Returns:
        What was put there, and the assortment that the past shows.
    """
    feed = stage.retailer.feed
    if feed is None:
        raise DemoFailed(f"retailer {stage.retailer.id} has no feed in Pulumi.dev.yaml, so it cannot deliver; add one")
    last = LIVE_DAY - timedelta(days=1)
    first = FIRST_DAY if days is None else max(FIRST_DAY, LIVE_DAY - timedelta(days=days))
    total = (last - first).days + 1
    delivered, prices, products = Delivered(), dict[str, float](), read_products()

    def files() -> Iterator[tuple[str, bytes]]:
        delivered.products = len(products)
        yield feed.catalogue_key, catalogue(products)
        orders = (moved(order, shift) for order in noting_prices(read_orders(first, last), prices))
        for file in day_files(orders, broken_day=first + shift + timedelta(days=total // 2)):
            delivered.files += 1
            delivered.orders += file.orders
            delivered.lines += file.lines
            delivered.size += len(file.content)
            delivered.first, delivered.last = min(delivered.first, file.day), max(delivered.last, file.day)
            delivered.broken |= {(file.key, number): fault for number, fault in file.broken.items()}
            yield file.key, file.content

    with screen.bar("the retailer delivers, files", total + 1) as bar:
        upload(stage.values, feed, files(), bar.at)
    return delivered, Assortment(products, prices)


def take(stage: Stage, audit: Audit, delivered: Delivered, screen: Screen) -> Taken:
    """Fires the feeds job until it has taken everything, and checks what it says against what was delivered."""
    begun = time.monotonic()
    with screen.bar("feeds sends, events dispatched", delivered.orders) as bar:
        reports = follow(in_background(lambda: _runs(stage)), lambda: bar.at(len(audit.ids)), 0.5)
        seconds = time.monotonic() - begun
        bar.at(len(audit.ids))
    mine = [each for report in reports for each in report["retailers"] if each["retailer"] == stage.retailer.id]
    bad = [line for each in mine for line in each["bad_lines"]]
    taken = Taken(sum(each["files"] for each in mine), sum(each["events"] for each in mine), len(reports), seconds, bad)
    if taken.events != delivered.orders:
        raise DemoFailed(
            f"feeds took {taken.events} orders of {delivered.orders} delivered, so the past is not whole; "
            "its report is in its log"
        )
    named = {(str(line["file"]), int(line["line"])) for line in bad}
    if named != delivered.broken.keys():
        raise DemoFailed(
            f"feeds quarantined {sorted(named)}, but the broken lines are {sorted(delivered.broken)}, so its "
            "quarantine cannot be trusted; look at functions/feeds/rules.py"
        )
    return taken


def _runs(stage: Stage) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = []
    while len(reports) < RUNS:
        reports.append(stage.report_of("feeds"))
        if not reports[-1]["more"]:
            return reports
    raise DemoFailed(f"feeds still says that there is more after {RUNS} runs, so it does not get on; see its log")


def reconcile(stage: Stage, audit: Audit, delivered: Delivered, screen: Screen) -> dict[str, tuple[int, int]]:
    """Waits until the cold facts hold what was delivered.

    Returns:
        By what is counted: how many were sent, how many were found; all equal.
    """
    cold = Cold(stage.values, stage.retailer)
    for what, table, wanted in (("orders", _ORDERS, delivered.orders), ("order lines", _LINES, delivered.lines)):
        with screen.bar(f"cooling, {what}", wanted) as bar:
            until(bar, partial(cold.so_far, table), wanted, every_s=1.5, passing=(Unavailable,))
    with screen.bar("dispatched, events", delivered.orders) as bar:
        until(bar, lambda: len(audit.ids), delivered.orders)
    counts = {
        "events in Bigtable": (delivered.orders, len(stored_ids(stage.values, stage.retailer.id))),
        "events in Pub/Sub": (delivered.orders, len(audit.ids)),
        "rows of orders": (delivered.orders, cold.count("orders")),
        "rows of order_lines": (delivered.lines, cold.count("order_lines")),
        "rows of products": (delivered.products, cold.count(PRODUCTS.name)),
    }
    different = {what: pair for what, pair in counts.items() if pair[0] != pair[1]}
    if different:
        said = ", ".join(f"{what}: {sent} sent, {found} found" for what, (sent, found) in different.items())
        raise DemoFailed(f"not all arrived, or some twice ({said}), so nothing learnt from it would be right")
    return counts


def quarantined_documents(stage: Stage, secret: str) -> int:
    """How many quarantine documents there are; none may hold what was wrong about its line.

    Raises:
        DemoFailed: one does.
    """
    documents = [(place, content) for place, content in every_document(stage.values) if "/quarantine/" in f"/{place}"]
    if any(holds(content, secret, secret) for _, content in documents):
        raise DemoFailed(
            "a quarantine document holds an e-mail address of the line it describes; it must say where, not what"
        )
    return len(documents)
