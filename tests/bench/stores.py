"""What servers under load write to: null sinks, or the official emulators with the tables and topics they need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from emulators.processes import environment_of, start_servers, stop
from layers.declarations import settings
from layers.stores.tables import hot_tables
from tests.bench import cores
from tests.bench.servers import PROJECT, RETAILER, TABLES, Place, program, running_program

_TOPICS = ("shopper-events", "decisions")


@dataclass(frozen=True, slots=True)
class Backends:
    """Attributes:
    values: environment values that lead to them. pids: the processes at the roots of their trees.
    """

    values: dict[str, str]
    pids: tuple[int, ...]

    def host(self, name: str) -> str:
        """`host:port`, by the keys of `EMULATOR_HOSTS`."""
        return self.values[settings.EMULATOR_HOSTS[name]]


@contextlib.contextmanager
def sinks(core: int, folder: Path, bigtable_ms: float = 0, pubsub_ms: float = 0) -> Iterator[Backends]:
    """The null sinks."""

    def arguments(port: int) -> tuple[str, ...]:
        delays = ("--bigtable-ms", str(bigtable_ms), "--pubsub-ms", str(pubsub_ms))
        return ("-m", "tests.bench.sinks", str(port), *delays)

    with running_program("sinks", program("sinks", arguments), Place({}, core, folder)) as served:
        address = f"127.0.0.1:{served.port}"
        hosts = {settings.EMULATOR_HOSTS[name]: address for name in ("bigtable", "pubsub", "firestore")}
        yield Backends(hosts, (served.pid,))


@contextlib.contextmanager
def emulators(names: Sequence[str], core: int, folder: Path) -> Iterator[Backends]:
    """These emulators on that core, Bigtable with its tables and Pub/Sub with its topics."""
    started = start_servers(names, folder / "emulators", held=True)
    try:
        for one in started.values():
            cores.pin(cores.tree(one.process.pid), core)
        hosts = environment_of({key: port for one in started.values() for key, port in one.ports.items()})
        if "bigtable" in names:
            _make_tables(hosts[settings.EMULATOR_HOSTS["bigtable"]])
        if "pubsub" in names:
            _make_topics(hosts[settings.EMULATOR_HOSTS["pubsub"]])
        yield Backends(hosts, tuple(one.process.pid for one in started.values()))
    finally:
        stop([one.process for one in started.values()])


def _make_tables(host: str) -> None:
    from google.cloud.bigtable_admin_v2 import types

    with grpc.insecure_channel(host) as channel:
        create = channel.unary_unary(
            "/google.bigtable.admin.v2.BigtableTableAdmin/CreateTable",
            types.CreateTableRequest.serialize,
            types.Table.deserialize,
        )
        for spec in hot_tables([RETAILER]):
            families = {each.name: types.ColumnFamily() for each in spec.families}
            table = types.Table(column_families=families)
            create(types.CreateTableRequest(parent=TABLES.rpartition("/")[0], table_id=spec.name, table=table))


def _make_topics(host: str) -> None:
    from google.pubsub_v1.types import Topic

    with grpc.insecure_channel(host) as channel:
        create: Any = channel.unary_unary("/google.pubsub.v1.Publisher/CreateTopic", Topic.serialize, Topic.deserialize)
        for name in _TOPICS:
            create(Topic(name=f"projects/{PROJECT}/topics/{name}"))
