"""DECISIONS: what a decision and a page cost, ours beside high-level clients with a Firestore transaction an event.

On the emulators, one request in flight. Shoppers visit the shop; each of their events is stored, delivered as Pub/Sub
would push it, and asked about as the page would. Two orders of that, as both happen: the page asks before its event is
decided (it must count the event itself), or after. Then a message of many shoppers, as ingest packs them. Both sides
must show the same nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from functions.decisioning.function import FUNCTION as DECISIONING
from functions.experiences.function import FUNCTION as EXPERIENCES
from layers.declarations import Function, SecretKind, settings
from layers.declarations.settings import Settings
from layers.events.record import Record, decode_record, encode_record, milliseconds, row_key
from layers.privacy.pseudonym import Pseudonymiser
from layers.retailers import family
from layers.shell.push import encode_push
from layers.stores.bigtable.events import BigtableHotEvents
from layers.stores.bigtable.port import HotEvent
from layers.stores.bigtable.shoppers import BigtableShopperRows
from layers.stores.firestore.documents import FirestoreDocuments
from layers.tree.live import publish
from layers.tree.parameters import encode_parameters
from layers.tree.reading import read_yaml
from tests.bench import cores, judged
from tests.bench.load import read_answer
from tests.bench.measured import MANY, Decided, WrongRun
from tests.bench.percentiles import summary_ms
from tests.bench.servers import RETAILER, ROOT, Place, Served, environment, ours, synchronous
from tests.bench.setting import Outcome, Setting
from tests.bench.stores import emulators
from tests.local.shop_visit import PARAMETERS, visit

_TREE = Path("layers/tree/examples/grocery_basket.yaml")


class Line:
    """One connection that is kept alive; one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes, float]:
        """Status, body, seconds.

        Raises:
            WrongRun: nobody answers.
        """
        for _ in range(2):
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.perf_counter()
            answer, whole, status = b"", False, 0
            with contextlib.suppress(OSError):
                self._socket.sendall(request)
                while not whole and (came := self._socket.recv(65536)):
                    answer += came
                    status, whole = read_answer(answer)
            if whole:
                return status, answer.partition(b"\r\n\r\n")[2], time.perf_counter() - began
            # gunicorn closes a connection that was idle for two seconds.
            self.close()
        raise WrongRun("a function of the decision path does not answer.")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Side:
    """Both functions of one way, and the nodes they have shown so far."""

    def __init__(self, way: str, decisioning: Served, experiences: Served) -> None:
        self.way, self.decisioning, self.experiences = way, decisioning, experiences
        self.push, self.page = Line(decisioning.port), Line(experiences.port)
        self.nodes: list[str] = []


@dataclass
class Shop:
    """The stores that the visits are written to."""

    hot: BigtableHotEvents
    rows: BigtableShopperRows
    pseudonymise: Pseudonymiser

    async def store(self, records: Sequence[Record]) -> None:
        held = []
        for record in records:
            event = record.event
            kept = family(event.retention, RETAILER.contract.days(event.retention))
            key = row_key(RETAILER.id, record.shopper, event.at, event.id)
            held.append(HotEvent(key, kept, milliseconds(event.at), msgspec.json.encode(record)))
        if not all(await self.hot.write(held)):
            raise WrongRun("Bigtable did not take the visit.")


@contextlib.contextmanager
def _sides(place: Place) -> Iterator[list[Side]]:
    with contextlib.ExitStack() as stack:

        def mine(function: Function) -> Served:
            own = Place(place.stores, place.core, place.folder / function.name, place.tree)
            return stack.enter_context(ours(function, own))

        def theirs(function: Function) -> Served:
            return stack.enter_context(
                synchronous("sample", f"sample_{function.name}", function, place, "sample_decisions")
            )

        sides = [
            Side("ours", mine(DECISIONING), mine(EXPERIENCES)),
            Side("sample", theirs(DECISIONING), theirs(EXPERIENCES)),
        ]
        for side in sides:
            stack.callback(side.push.close)
            stack.callback(side.page.close)
        yield sides


def decisions(setting: Setting) -> Outcome:
    """Raises:
    WrongRun: an event was not counted, or the two ways decided differently.
    """
    with emulators(("bigtable", "pubsub", "firestore"), setting.cores.load, setting.folder) as stores:
        place = Place(stores.values, setting.cores.server, setting.folder, setting.tree)
        with _sides(place) as sides:
            figures = asyncio.run(_measured(setting, sides, {**_environment(), **stores.values}))
    return Outcome(judged.decision_lines(figures), list(figures))


def _environment() -> dict[str, str]:
    return {**environment(DECISIONING, RETAILER), **environment(EXPERIENCES, RETAILER)}


async def _measured(setting: Setting, sides: list[Side], values: dict[str, str]) -> list[Decided]:
    shop, _ = await opened(values)
    shoppers, events = (3, 8) if setting.effort.short else (12, 25)
    found: list[Decided] = []
    for round_ in range(setting.effort.rounds + 1):
        nodes: dict[str, list[str]] = {}
        for side in sides:
            name = f"{side.way}{round_}"
            some = [*await _visits(shop, side, f"{name}a", 2 if round_ == 0 else shoppers, events, ahead=True)]
            some += await _visits(shop, side, f"{name}b", 2 if round_ == 0 else shoppers, events, ahead=False)
            some += await _packed(shop, side, f"{name}c", 2 if round_ == 0 else shoppers, events)
            nodes[side.way], side.nodes = side.nodes, []
            for one in some if round_ else ():  # The first round warms up: connections, clients, the tree.
                found.append(one)
                setting.say(
                    f"  {one.way:<7} {one.what:<38} {one.cpu_us:8.0f} µs of CPU  p50 {one.latency_ms['p50']:6.2f}  "
                    f"p95 {one.latency_ms['p95']:6.2f} ms"
                )
        if nodes["ours"] != nodes["sample"]:
            raise WrongRun(
                "ours and the sample show different nodes for the same visits: they do not do the same work."
            )
    return found


async def opened(values: dict[str, str]) -> tuple[Shop, FirestoreDocuments]:
    """The stores of these values, with a tree published."""
    os.environ.update({name: value for name, value in values.items() if name in settings.EMULATOR_HOSTS.values()})
    held = Settings(values)
    pseudonymise = Pseudonymiser(held[settings.secret(SecretKind.PSEUDONYM_KEY, RETAILER.id)])
    source = (ROOT / _TREE).read_text()
    documents = FirestoreDocuments.of(held)
    await publish(documents, RETAILER.id, read_yaml(source), source)
    return Shop(BigtableHotEvents.of(held), BigtableShopperRows.of(held), pseudonymise), documents


async def _visits(shop: Shop, side: Side, name: str, shoppers: int, events: int, *, ahead: bool) -> list[Decided]:
    """Visits one after another. `ahead`: the page asks before its event is decided."""
    trees = [cores.tree(side.decisioning.pid), cores.tree(side.experiences.pid)]
    used = [cores.cpu_s(tree) for tree in trees]
    pushed, asked = [], []
    for number in range(shoppers):
        customer = f"925{name}{number}"
        for record in await _visit(shop, customer, name, number, events):
            await shop.store([record])
            if ahead:
                asked.append(_page(side, customer, record))
            pushed.append(_push(side, [record]))
            if not ahead:
                asked.append(_page(side, customer, record))
    spent = [cores.cpu_s(tree) - before for tree, before in zip(trees, used, strict=True)]
    page = "page, its event not decided yet" if ahead else "page, its event decided"
    return [
        Decided(side.way, "decision", len(pushed), spent[0] / len(pushed) * 1e6, summary_ms(pushed)),
        Decided(side.way, page, len(asked), spent[1] / len(asked) * 1e6, summary_ms(asked)),
    ]


async def _packed(shop: Shop, side: Side, name: str, shoppers: int, events: int) -> list[Decided]:
    """Messages that hold one event of each of the shoppers."""
    visits = [await _visit(shop, f"925{name}{number}", name, number, events) for number in range(shoppers)]
    tree = cores.tree(side.decisioning.pid)
    used = cores.cpu_s(tree)
    pushed = []
    for together in zip(*visits, strict=True):
        await shop.store(together)
        pushed.append(_push(side, together))
    count = shoppers * events
    spent = cores.cpu_s(tree) - used
    return [Decided(side.way, MANY, count, spent / count * 1e6, summary_ms(pushed))]


async def _visit(shop: Shop, customer: str, name: str, number: int, events: int) -> list[Record]:
    """The same visit for both ways but for who makes it, with the shopper's parameters stored."""
    pseudonym, now = shop.pseudonymise(customer), datetime.now(UTC)
    await shop.rows.write_parameters(RETAILER.id, [(pseudonym, encode_parameters(PARAMETERS))], 1)
    made = visit(f"event{name}{number:03d}n", number, events)
    return [decode_record(encode_record(pseudonym, "visit-1", "web", now, json.dumps(one).encode())) for one in made]


def push_request(records: Sequence[Record]) -> bytes:
    """A message of these, as Pub/Sub pushes it to decisioning."""
    lines = b"\n".join(msgspec.json.encode(record) for record in records)
    attributes = {"retailer": RETAILER.id, "count": str(len(records))}
    body = encode_push(lines, attributes, "1", datetime.now(UTC), "projects/bench/subscriptions/decisioning--events")
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: APIs-Google\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nAccept: */*\r\nAccept-Encoding: gzip,deflate,br\r\n\r\n"
    )
    return head.encode() + body


def _push(side: Side, records: Sequence[Record]) -> float:
    status, _, seconds = side.push.ask(push_request(records))
    if status != 204:
        raise WrongRun(f"decisioning, {side.way}, answered {status}.")
    return seconds


def page_request(customer: str, event_id: str) -> bytes:
    """What a page asks after it has sent an event."""
    origin = RETAILER.origins[0]
    head = (
        f"GET /v1/experiences?key={RETAILER.read_key}&after={event_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0\r\nAccept: application/json\r\n"
        f"Accept-Encoding: gzip, deflate, br, zstd\r\nOrigin: {origin}\r\nReferer: {origin}/\r\n"
        f"Gondola-Shopper: {customer}\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n"
    )
    return head.encode()


def _page(side: Side, customer: str, record: Record) -> float:
    status, body, seconds = side.page.ask(page_request(customer, record.event.id))
    answer: dict[str, Any] = json.loads(body) if status == 200 else {}
    if not answer.get("after", {}).get("counted") or answer["reason"] == "unavailable":
        raise WrongRun(f"experiences, {side.way}, answered {status} and did not count the event.")
    side.nodes.append(answer["node"])
    return seconds
