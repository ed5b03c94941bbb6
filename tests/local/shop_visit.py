"""A visitor of the laptop's shop, and what the stores say of the visit. For the tests of this folder."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
import msgspec

from emulators.shop.cold import Cold
from emulators.shop.hot import stored_ids
from emulators.stack import Stack
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.record import Record
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.shopper_token import issue
from layers.privacy.signature import decode_key
from layers.retailers import Registry, Retailer
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.shoppers import BigtableShopperRows
from layers.tree.parameters import PredictedProduct, ShopperParameters
from tests.loopback import HTTP

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
"""How long a test waits for what must come. No test asserts how fast it came."""

T = TypeVar("T")

_PUBLISHED: set[Path] = set()


def eventually(what: str, look: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """Looks until it holds; fails with what was seen last."""
    end = time.monotonic() + PATIENCE_S
    while True:
        seen = look()
        if holds(seen):
            return seen
        assert time.monotonic() < end, f"{what}: still {str(seen)[:500]}"
        time.sleep(0.2)


@dataclass
class Shop:
    """The demo retailer on a stack."""

    stack: Stack

    @cached_property
    def values(self) -> Settings:
        watch = self.stack.environment("scoring_watch")
        return Settings({**watch, **self.stack.environment("consent_erasure"), **self.stack.hosts})

    @cached_property
    def retailer(self) -> Retailer:
        return Registry.of_environment(self.values.values, settings.RETAILER_PREFIX).by_id["demo"]

    @cached_property
    def cold(self) -> Cold:
        return Cold(self.values, self.retailer)

    @cached_property
    def pseudonym(self) -> Pseudonymiser:
        return Pseudonymiser(self.stack.secret("pseudonym-key", "demo"))

    def publish_tree(self, anew: bool = False) -> None:
        """As a marketer does; once for a stack, unless it is to be published anew."""
        if self.stack.folder in _PUBLISHED and not anew:
            return
        _PUBLISHED.add(self.stack.folder)
        command = [sys.executable, "-m", "layers.tree", "publish", "layers/tree/examples/grocery_basket.yaml"]
        environment = {**os.environ, **self.values.values}
        subprocess.run([*command, "--retailer", "demo"], cwd=ROOT, env=environment, check=True, capture_output=True)

    def post(self, customer: str, events: Sequence[dict[str, Any]], session: str = "s1") -> httpx.Response:
        """One request of a tracker. Raises httpx.TransportError where nobody answers."""
        body = {"shopper": customer, "session": session, "channel": "web", "events": list(events)}
        url = f"{self.stack.address('ingest')}/v1/events?key={self.retailer.write_key}"
        return HTTP.post(url, content=msgspec.json.encode(body), headers={"content-type": "text/plain"}, timeout=20)

    def must_post(self, customer: str, events: Sequence[dict[str, Any]], session: str = "s1") -> None:
        answer = self.post(customer, events, session)
        assert answer.status_code == 204, answer.text

    def token(self, customer: str) -> str:
        """As the shop's own server signs it for its page."""
        return issue(decode_key(self.stack.secret("signing-key", "demo")), customer, time.time())

    def shown(self, customer: str, after: str) -> dict[str, Any]:
        url = f"{self.stack.address('experiences')}/v1/experiences?key={self.retailer.read_key}&after={after}"
        answer = HTTP.get(url, headers={"gondola-shopper": self.token(customer)}, timeout=20)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def stored(self, prefix: str) -> set[str]:
        return {id for id in stored_ids(self.values, "demo") if id.startswith(prefix)}

    def cooled(self, prefix: str) -> set[str]:
        return {id for id in self.cold.event_ids() if id.startswith(prefix)}

    def decided(self, prefix: str) -> list[dict[str, Any]]:
        """The newest revision of each decision, by event id."""
        sql = f"SELECT * FROM `{self.cold.dataset}.decisions` WHERE STARTS_WITH(event_id, @prefix) ORDER BY event_id"
        return self.cold.rows(sql, prefix=prefix)

    def deliver(self, files: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        """Puts gzipped lines into the retailer's bucket."""
        feed = self.retailer.feed
        assert feed is not None
        client = boto3.client(
            "s3",
            endpoint_url=self.stack.hosts["AWS_ENDPOINT_URL_S3"],
            region_name=feed.region,
            aws_access_key_id="retailer",
            aws_secret_access_key="retailer",
        )
        for key, lines in files.items():
            text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            client.put_object(Bucket=feed.bucket, Key=key, Body=gzip.compress(text))

    def hot(self, customer: str) -> list[Record]:
        async def read() -> list[Record]:
            store = BigtableHotEvents.of(self.values)
            return await store.newest_first(self.retailer, self.pseudonym(customer), now=datetime.now(UTC))

        return asyncio.run(read())

    def learn(self, customer: str, parameters: ShopperParameters) -> None:
        """Writes a shopper's parameters as scoring does."""

        async def write() -> None:
            rows = BigtableShopperRows.of(self.values)
            encoded = msgspec.json.encode(parameters)
            await rows.write_parameters("demo", [(self.pseudonym(customer), encoded)], 1)

        asyncio.run(write())


PARAMETERS = ShopperParameters(
    version="test-1",
    computed_at=datetime(2026, 1, 1, tzinfo=UTC),
    products=tuple(PredictedProduct(f"p{n}", 0.9 - n / 20, 2.0 + n, "FRUIT") for n in range(12)),
    categories={"FRUIT": 0.9},
    usual_basket=30.0,
    threshold=40.0,
    generosity=3.0,
    trips=10,
)


def visit(prefix: str, seed: int, events: int = 30) -> list[dict[str, Any]]:
    """A visit to the shop a while ago: pages, searches, a basket that fills and loses something, an order."""
    chance = random.Random(seed)
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    found: list[dict[str, Any]] = []
    basket: list[str] = []

    def happens(type: str, **members: Any) -> None:
        nonlocal at
        at += timedelta(seconds=chance.randint(1, 40), milliseconds=chance.randint(1, 999))
        found.append({"type": type, "id": f"{prefix}{len(found):04d}", "at": at.isoformat(), **members})

    happens("PageViewed", page="/", kind="home")
    while len(found) < events - 2:
        product = f"p{chance.randint(0, 15)}"
        draw = chance.random()
        if draw < 0.2:
            happens("Searched", query="oat milk")
        elif draw < 0.35:
            happens("PageViewed", page="/fruit", kind="category", category="FRUIT")
        elif draw < 0.8 or not basket:
            basket.append(product)
            happens("AddedToBasket", product=product, quantity=1, price=4.5)
        else:
            happens("RemovedFromBasket", product=basket.pop(), quantity=1, price=4.5)
    happens("BasketValidated", total=4.5 * len(basket))
    lines = [{"product": product, "paid": 4.5} for product in set(basket)] or [{"product": "p1", "paid": 1}]
    happens("OrderPaid", order=f"{prefix}order", total=4.5 * len(lines), lines=lines)
    return found


def comparable(decisions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a decision is, without what says how it came: when ingest took the event."""
    return [{name: value for name, value in row.items() if name != "received"} for row in decisions]


def scored(shop: Shop) -> None:
    command = [sys.executable, "-m", "functions.scoring", "run", "--retailer", "demo"]
    environment = {**os.environ, **shop.values.values}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
