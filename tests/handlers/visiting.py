"""One shopper's events and the stores they are in, for the handlers that decide and answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from layers.events.record import Record, row_key
from layers.privacy.keyring import KeyRing
from layers.retailers import AbsentConsent, Registry, Retailer, family
from layers.shell.push import encode_push
from layers.stores.bigtable.fake import FakeArrivals, FakeHotEvents, FakeShopperRows
from layers.stores.bigtable.port import HotEvent
from layers.stores.firestore.fake import FakeDocuments
from layers.stores.keeping import Keeping
from layers.stores.pubsub.fake import FakePublisher
from layers.stores.suppressions import FakeSuppressions
from layers.tree.decision import Decision, decode_decision
from layers.tree.folding import key_of
from layers.tree.live import PublishedTrees, publish
from layers.tree.parameters import encode_parameters
from layers.tree.reading import read_yaml
from tests.rules.journeys import PARAMETERS, START, record

EXAMPLE = Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml"
TREE = read_yaml(EXAMPLE.read_text())
CUSTOMER = "9250001234567"
RING = KeyRing({1: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})
SHOPPER = RING.current(CUSTOMER)
OTHER = RING.current("9250007654321")
NOW = START.replace(hour=12)
SIGNING = b"the retailer's signing key, 32 B"
KEY = "read-key-of-demo-1"
DEMO = Retailer(
    id="demo",
    name="Demo",
    write_key="write-key-of-demo",
    read_key=KEY,
    origins=("https://shop.example",),
    absent_consent=AbsentConsent.GRANTED,
)
STRICT = Retailer(
    id="strict", name="Strict", write_key="write-key-of-strict", read_key="read-key-of-strict", origins=()
)


def seen(type: str, minutes: float, *, shopper: str = SHOPPER, **fields: object) -> Record:
    """An event of this shopper, `minutes` after 9 o'clock."""
    return msgspec.structs.replace(record(type, minutes, **fields), shopper=shopper)  # type: ignore[arg-type]


def hot_events(*records: Record, retailer: str = "demo") -> list[HotEvent]:
    return [
        HotEvent(
            row_key(retailer, r.shopper, r.event.at, r.event.id),
            family(r.event.retention, DEMO.contract.days(r.event.retention)),
            key_of(r)[0],
            msgspec.json.encode(r),
        )
        for r in records
    ]


class Stores:
    """All that both functions read and write, in memory."""

    def __init__(self) -> None:
        self.registry = Registry([DEMO, STRICT])
        self.hot, self.rows = FakeHotEvents(), FakeShopperRows()
        self.documents, self.topic = FakeDocuments(), FakePublisher()
        self.suppressions = FakeSuppressions()
        self.clock = 0.0
        self.trees = PublishedTrees(self.documents, lambda: self.clock)

    async def open(self, known: Sequence[str] = (SHOPPER,)) -> None:
        """Publishes the tree and scores the shoppers."""
        for retailer in self.registry:
            await publish(self.documents, retailer.id, TREE, EXAMPLE.read_text())
            parameters = encode_parameters(PARAMETERS)
            await self.rows.write_parameters(retailer.id, [(shopper, parameters) for shopper in known], 1)

    async def store(self, *records: Record, retailer: str = "demo") -> None:
        await self.hot.write(hot_events(*records, retailer=retailer))

    async def keep(self, *records: Record) -> None:
        """As ingest does: the row holds a consent before it is acknowledged."""
        keeping = Keeping(FakeArrivals(), self.hot, self.rows, FakePublisher())
        assert all(await keeping.keep(NOW, [("demo", hot_events(*records))]))

    def published(self) -> list[Decision]:
        return [decode_decision(line) for message in self.topic.messages for line in message.data.split(b"\n")]


def pushed(*records: Record, retailer: str = "demo", extra: bytes = b"") -> bytes:
    """The body that Pub/Sub posts for a message of these records."""
    data = b"\n".join([*(msgspec.json.encode(r) for r in records), *([extra] if extra else [])])
    attributes = {"retailer": retailer, "count": str(len(records)), "trace": "trace-1"}
    return encode_push(
        data, attributes, "message-1", datetime(2026, 11, 20, 9, tzinfo=UTC), "projects/p/subscriptions/s"
    )
