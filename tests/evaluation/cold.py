"""The purchases before the cut as BigQuery holds them: through cooling's own rules and the Storage Write API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, timedelta

from msgspec import UNSET

from emulators.shop.journey_data import Order, Product
from functions.cooling.rules import cool
from layers.declarations.settings import Settings
from layers.events.model import OrderLine, OrderPaid
from layers.events.record import Record
from layers.facts import PRODUCTS
from layers.privacy.pseudonym import Pseudonymiser
from layers.stores.bigquery.warehouse import BigQueryWarehouse
from layers.stores.bigquery.writer import BigQueryFacts

_CHUNK = 1_000
_TOGETHER = 4


def record(order: Order, pseudonym: str) -> Record:
    """As ingest would have kept it, the minute after it was paid."""
    lines = tuple(
        OrderLine(
            line.product,
            line.paid,
            UNSET if line.quantity is None else line.quantity,
            line.discount if line.discount > 0 else UNSET,
        )
        for line in order.lines
    )
    event = OrderPaid(id=f"o{order.id}", at=order.at, order=order.id, total=order.total, lines=lines, store=order.store)
    return Record(
        shopper=pseudonym,
        session="history",
        channel="store",
        received=order.at.astimezone(UTC) + timedelta(minutes=1),
        event=event,
    )


async def fill(
    values: Settings,
    dataset: str,
    orders: Sequence[Order],
    products: Iterable[Product],
    pseudonymise: Pseudonymiser,
    told: Callable[[int], None],
) -> dict[str, str]:
    """Writes facts and catalogue; of each pseudonym the household, which only the evaluation may know."""
    households: dict[str, str] = {}
    known: dict[str, str] = {}
    facts = BigQueryFacts.of(values)

    async def write(chunk: Sequence[Order]) -> None:
        records = []
        for order in chunk:
            pseudonym = known.get(order.customer)
            if pseudonym is None:
                pseudonym = known[order.customer] = pseudonymise(order.customer)
                households[pseudonym] = order.customer
            records.append(record(order, pseudonym))
        for cooled in cool(records):
            await facts.append(dataset, cooled.table, cooled.columns)

    try:
        chunks = [orders[place : place + _CHUNK] for place in range(0, len(orders), _CHUNK)]
        for place in range(0, len(chunks), _TOGETHER):
            await asyncio.gather(*(write(chunk) for chunk in chunks[place : place + _TOGETHER]))
            told(min(len(orders), (place + _TOGETHER) * _CHUNK))
    finally:
        await facts.close()
    rows = [
        {"product": p.id, "brand": p.brand, "department": p.department, "category": p.category, "type": p.type}
        for p in products
    ]
    await asyncio.to_thread(BigQueryWarehouse.of(values).replace, dataset, PRODUCTS, rows)
    return households
