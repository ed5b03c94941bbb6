"""A place to score in: fakes of every store, a queue that delivers until it is empty, and a hand that kills.

A kill is an exception that nothing catches, raised just before or just after a store took a call: what a process leaves
that ends there. The message that was being worked on is delivered again, as Pub/Sub would.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from functions.scoring.handler import SUBSCRIPTION, answer
from functions.scoring.room import Room
from layers.privacy.pseudonym import LENGTH
from layers.retailers import Registry, Retailer
from layers.scoring_runs.ledger import Ledger
from layers.scoring_runs.messages import MODELS_BUILT, SHARDS, Built, built_message
from layers.shell.push import encode_push
from layers.stores.bigquery.fake import FakeWarehouse
from layers.stores.bigquery.port import Parameter
from layers.stores.bigquery.trained import FakeShelf
from layers.stores.bigtable.fake import FakeShopperRows
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.pubsub.port import Message
from layers.stores.suppressions import FakeSuppressions
from layers.tree.parameters import ShopperParameters, decode_parameters
from tests.handlers.asking import ask

RUN = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 3, 4, 56, tzinfo=UTC)
SHOP, OTHER = (
    Retailer(id=id, name=id, write_key=id * 16, read_key=id * 15, origins=(), timezone=zone)
    for id, zone in (("aa", "Europe/Paris"), ("bb", "America/New_York"))
)
_RANGE = re.compile(r"[os]\.shopper >= '(\w+)' AND [os]\.shopper < '(\w+)'")

Rows = list[dict[str, Any]]


class Killed(BaseException):
    """The process ended here."""


def pseudonym(number: int) -> str:
    """Spread over the shards, as a keyed code is."""
    return f"01{number * 2654435761 % 16**8:08x}{number:024x}"


def shopper(number: int, stretch: float = 22.0) -> dict[str, Any]:
    """A row of features."""
    return {
        "shopper": pseudonym(number),
        "orders": 3,
        "trips_28": 2,
        "q10": 8.0,
        "q25": 14.0,
        "usual": 20.0,
        "stretch": stretch,
        "q75": stretch + 8.0,
        "q90": stretch + 20.0,
        "discount": 5.0,
        "paid": 15.0,
        "products": '[{"id": "p1", "probability": 0.5, "price": 1.0}]',
        "categories": None,
    }


class Shop(FakeWarehouse):
    """Answers each shard's statement with the shoppers of its range, as they were at the run's moment.

    Attributes:
        features: by retailer, of a moment. statistics: rows of `shopper_statistics`, of every retailer alike. prices:
            by product, of what campaigns promote. responses: rows of `price_responses`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features: dict[str, Callable[[datetime], Rows]] = {}
        self.statistics: Rows = []
        self.prices: dict[str, float] = {}
        self.responses: Rows = []

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> Rows:
        self.statements.append((sql, dict(parameters or {})))
        if "DISTINCT s.as_of" in sql:
            return [{"as_of": day} for day in sorted({row["as_of"] for row in self.statistics})]
        if "shopper_statistics" in sql:
            found = [row for row in self.statistics if any(a <= row["shopper"] < b for a, b in _RANGE.findall(sql))]
            return sorted(found, key=lambda row: str(row["shopper"]))
        if "@since" in sql:
            return [{"product": product, "price": price} for product, price in self.prices.items()]
        if "price_responses" in sql:
            return self.responses
        (retailer_id,) = set(re.findall(r"retailer_(\w+)\.orders", sql))
        now = (parameters or {})["now"]
        assert isinstance(now, datetime)
        rows = self.features[retailer_id](now) if retailer_id in self.features else []
        if "key_version" in sql:
            return [{"key_version": "01", "shoppers": len(rows)}] if rows else []
        ranges = _RANGE.findall(sql)
        assert ranges
        return [row for row in rows if any(low <= row["shopper"] < high for low, high in ranges)]


class Tables:
    """Feature tables in memory, as they are read in bulk. A column that a row lacks is NULL.

    Attributes:
        rows: by table; a table that is not there was never made. before: happens before a table is read.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Rows] = {}
        self.before: Callable[[str], None] = lambda _table: None

    def batches(self, dataset: str, table: str, columns: Sequence[str], restriction: str = "") -> Iterator[Any]:
        self.before(table)
        if table not in self.rows:
            raise LookupError(f"{table} does not exist in {dataset}")
        ((low, high),) = re.findall(r"shopper >= '(\w+)' AND shopper < '(\w+)'$", restriction)
        assert restriction.startswith("purpose = 'score' AND")
        assert max(len(low), len(high)) < LENGTH, "no whole pseudonym"
        kept = [row for row in self.rows[table] if low <= row["shopper"] < high]
        # In the reverse of their order, in batches of uneven size: nothing may lean on either.
        kept.reverse()
        schema = _schema(columns)
        for some in (kept[:1], kept[1:]):
            if some:
                arrays = [pa.array([row.get(name) for row in some], schema.field(name).type) for name in columns]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


_KINDS = {"as_of": pa.date32()} | dict.fromkeys(("shopper", "product", "category", "department", "brand"), pa.string())


def _schema(columns: Sequence[str]) -> Any:
    return pa.schema([(name, _KINDS.get(name, pa.float64())) for name in columns])


class Site:
    """Attributes:
    calls: how many calls the stores took. kill_at: that call is the last one of its process, once. after: it is killed
        after the call took effect, not before. draw: with it, calls pause at random, so that what runs at once mixes.
        meanwhile: happens once, whole, just before the call `meanwhile_at` takes effect. retailers: who is known.
    """

    def __init__(self) -> None:
        self.rows, self.documents, self.published = FakeShopperRows(), FakeDocuments(), FakePublisher()
        self.warehouse, self.suppressions = Shop(), FakeSuppressions()
        self.tables, self.shelf = Tables(), FakeShelf()
        self.calls, self.kill_at, self.after = 0, -1, False
        self.draw: random.Random | None = None
        self.meanwhile_at = -1
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.queue: list[tuple[str, Message]] = []
        self.retailers: tuple[Retailer, ...] = (SHOP, OTHER)
        self.refusals: list[int] = []

    @property
    def room(self) -> Room:
        documents: Any = _Through(self, self.documents)
        rows: Any = _Through(self, self.rows)
        shards: Any = _Through(self, self.published)
        ledger = Ledger(documents, pause_s=0)
        return Room(
            Registry(self.retailers),
            self.warehouse,
            rows,
            ledger,
            documents,
            shards,
            self.suppressions,
            self.tables,
            self.shelf,
        )

    def build(self, run: datetime = RUN, retailer: Retailer = SHOP) -> None:
        self.queue.append((MODELS_BUILT, built_message(Built(retailer.id, run))))

    async def deliver(self, topic: str, message: Message) -> int:
        """One delivery; its status, and what it published stands in the queue."""
        body = encode_push(message.data, dict(message.attributes), "m1", NOW, f"{SUBSCRIPTION}{topic}")
        try:
            return (await answer(ask("POST", "/", body), self.room, NOW)).status_code
        finally:
            self.queue += [(SHARDS, each) for each in self.published.messages]
            self.published.messages.clear()

    async def settle(self, most: int = 200) -> None:
        """Delivers until nothing is left; what is killed or refused comes again."""
        for _ in range(most):
            if not self.queue:
                return
            topic, message = self.queue.pop(0)
            try:
                assert await self.deliver(topic, message) == 204
            except (Killed, Exception):
                self.refusals.append(len(self.queue))
                self.queue.append((topic, message))
        raise AssertionError("the queue does not empty")

    async def together(self, seed: int) -> None:
        """Delivers all that is in the queue at once, and what comes of it, mixed at random."""
        self.draw = random.Random(seed)

        async def one(topic: str, message: Message) -> None:
            try:
                assert await self.deliver(topic, message) == 204
            except (Killed, Exception):
                self.queue.append((topic, message))

        for _ in range(200):
            if not self.queue:
                return
            batch, self.queue = self.queue, []
            self.draw.shuffle(batch)
            await asyncio.gather(*(one(*each) for each in batch))
        raise AssertionError("the queue does not empty")

    def stored(self, retailer: Retailer = SHOP) -> dict[str, ShopperParameters]:
        found: dict[str, ShopperParameters] = {}
        for key, row in self.rows.rows.items():
            owner, _, who = key.decode().partition("#")
            if owner == retailer.id and row.parameters:
                found[who] = decode_parameters(row.parameters[0])
        return found

    async def step(self, call: Callable[[], Any]) -> Any:
        if self.draw is not None:
            for _ in range(self.draw.randint(0, 6)):
                await asyncio.sleep(0)
        self.calls += 1
        mine = self.calls
        if self.meanwhile is not None and mine == self.meanwhile_at:
            await self.meanwhile()
        last = mine == self.kill_at
        if last and not self.after:
            raise Killed
        taken = await call()
        if last:
            raise Killed
        return taken


class _Through:
    """A store whose every call goes through the site's hand."""

    def __init__(self, site: Site, store: Any) -> None:
        self._site, self._store = site, store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name in ("parameter_digests", "keys"):

            async def iterate(*args: Any) -> AsyncIterator[Any]:
                async def all_of() -> list[Any]:
                    return [each async for each in method(*args)]

                for each in await self._site.step(all_of):
                    yield each

            return iterate

        async def call(*args: Any, **named: Any) -> Any:
            return await self._site.step(lambda: method(*args, **named))

        return call
