"""Running doors: the ingest function from its archive, under functions-framework, as in the cloud, on emulators.

Owns how one is started and what may be seen of it from outside: its port, its worker's memory, what it stored and what
it published. Each has tables and a topic of its own, so that two may be given the same bytes and be compared.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.cloud.bigtable_admin_v2 import types as admin
from google.cloud.bigtable_v2.types import bigtable
from google.pubsub_v1.types import pubsub

from emulators.appliers import services
from emulators.processes import Running, free_ports, start, stop
from emulators.processes.ready import answers, wait
from functions.ingest.function import EVENTS_PATH, FUNCTION
from infra import archives
from layers.declarations import SecretKind, settings
from layers.events.record import row_prefix
from layers.privacy.pseudonym import Pseudonymiser
from layers.privacy.signature import decode_key
from layers.retailers import Retailer
from layers.shell.express import SWITCH
from layers.stores.bigtable.wire import prefix_end
from layers.stores.tables import hot_tables

ROOT = Path(__file__).resolve().parents[2]
RETAILER = Retailer(
    id="demo",
    name="Fuzz",
    write_key="fuzz-write-key-0001",
    read_key="fuzz-read-key-00001",
    origins=("https://shop.example",),
)
TARGET = f"{EVENTS_PATH}?key={RETAILER.write_key}"
READY_S = 60.0
PULLED_AT_ONCE = 1000


def _secret(kind: SecretKind) -> str:
    return base64.b64encode(random.Random(kind.value).randbytes(32)).decode()


SIGNING_KEY = decode_key(_secret(SecretKind.SIGNING_KEY))
pseudonym = Pseudonymiser(_secret(SecretKind.PSEUDONYM_KEY))


@dataclass(frozen=True, slots=True)
class Door:
    """One that runs.

    Attributes:
        name: also of the project that its tables and topic are in.
    """

    name: str
    port: int
    process: Running
    bigtable: grpc.Channel
    pubsub: grpc.Channel

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return Path(self.process.log).read_text(errors="replace")

    def memory(self) -> int:
        """Bytes that its processes hold, without what they share with others."""
        found = 0
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getpgid(int(folder.name)) == self.process.pid:
                    rollup = (folder / "smaps_rollup").read_text()
                    found += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
        return found * 1024

    def stored(self, customer: str | None = None) -> dict[bytes, bytes]:
        """Lines by row key, of one customer or of all."""
        prefix = row_prefix(RETAILER.id, pseudonym(customer)) if customer else f"{RETAILER.id}#"
        start_key = prefix.encode()
        request = bigtable.ReadRowsRequest(
            table_name=f"{_tables(self.name)}/events",
            rows={"row_ranges": [{"start_key_closed": start_key, "end_key_open": prefix_end(start_key)}]},
        )
        read = self.bigtable.unary_stream(
            "/google.bigtable.v2.Bigtable/ReadRows",
            bigtable.ReadRowsRequest.serialize,
            bigtable.ReadRowsResponse.deserialize,
        )
        found: dict[bytes, bytes] = {}
        key = b""
        for answer in read(request, timeout=READY_S):
            for chunk in answer.chunks:
                # A row of this table has one cell, which is never split: its lines are shorter than any chunk.
                key = chunk.row_key or key
                found.setdefault(key, chunk.value)
        return found

    def published(self) -> list[bytes]:
        """Every line that its topic was given since the last call."""
        found: list[bytes] = []
        while messages := self._pull():
            for message in messages:
                found += message.message.data.split(b"\n")
        return found

    def _pull(self) -> list[Any]:
        name = _subscription(self.name)
        asked = pubsub.PullRequest(subscription=name, max_messages=PULLED_AT_ONCE, return_immediately=True)
        messages = list(_call(self.pubsub, "Subscriber/Pull", asked, pubsub.PullResponse).received_messages)
        if messages:
            done = pubsub.AcknowledgeRequest(subscription=name, ack_ids=[each.ack_id for each in messages])
            _call(self.pubsub, "Subscriber/Acknowledge", done, pubsub.PullResponse)
        return messages


def _tables(project: str) -> str:
    return f"projects/{project}/instances/hot/tables"


def _subscription(project: str) -> str:
    return f"projects/{project}/subscriptions/seen"


def _topic(project: str) -> str:
    return f"projects/{project}/topics/shopper-events"


def _call(channel: grpc.Channel, method: str, request: Any, answer: Any) -> Any:
    call = channel.unary_unary(f"/google.pubsub.v1.{method}", type(request).serialize, answer.deserialize)
    return call(request, timeout=READY_S)


def _make_stores(name: str, tables: grpc.Channel, topics: grpc.Channel) -> None:
    create = tables.unary_unary(
        "/google.bigtable.admin.v2.BigtableTableAdmin/CreateTable",
        admin.CreateTableRequest.serialize,
        admin.Table.deserialize,
    )
    for spec in hot_tables([RETAILER]):
        families = {family.name: admin.ColumnFamily() for family in spec.families}
        create(
            admin.CreateTableRequest(
                parent=f"projects/{name}/instances/hot", table_id=spec.name, table=admin.Table(column_families=families)
            ),
            timeout=READY_S,
        )
    _call(topics, "Publisher/CreateTopic", pubsub.Topic(name=_topic(name)), pubsub.Topic)
    seen = pubsub.Subscription(name=_subscription(name), topic=_topic(name), ack_deadline_seconds=600)
    _call(topics, "Subscriber/CreateSubscription", seen, pubsub.Subscription)


@contextlib.contextmanager
def open_door(
    name: str, bigtable_host: str, pubsub_host: str, firestore_host: str, folder: Path, express: bool
) -> Iterator[Door]:
    """A door for as long as the block runs; it ends with this process, however that ends.

    Args:
        express: whether requests may go the express way.
    """
    values = {
        "FUNCTION_USE_ASGI": "true",
        SWITCH: "on" if express else "off",
        settings.PROJECT: name,
        settings.STACK: "fuzz",
        settings.retailer(RETAILER.id): RETAILER.to_json(),
        settings.topic("shopper-events"): _topic(name),
        settings.EMULATOR_HOSTS["bigtable"]: bigtable_host,
        settings.EMULATOR_HOSTS["pubsub"]: pubsub_host,
        settings.EMULATOR_HOSTS["firestore"]: firestore_host,
        settings.documents("(default)"): f"projects/{name}/databases/(default)",
        **{settings.secret(kind, RETAILER.id): _secret(kind) for kind in SecretKind},
        **{settings.hot_table(spec.name): f"{_tables(name)}/{spec.name}" for spec in hot_tables([RETAILER])},
    }
    with grpc.insecure_channel(bigtable_host) as tables, grpc.insecure_channel(pubsub_host) as topics:
        _make_stores(name, tables, topics)
        source = services.unpack(archives.build(ROOT, FUNCTION.name).path, folder / "archives")
        (port,) = free_ports(1)
        home = folder / name
        home.mkdir()
        service = services.Service(FUNCTION.service, FUNCTION.name, "", {}, {})
        environment = {**values, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        process = start(services.start_of(service, source, home, environment, home / "log", held=True))
        try:
            wait(process, lambda: answers(port, services.READY_PATH, (404,)), READY_S)
            yield Door(name, port, process, tables, topics)
        finally:
            stop([process])
