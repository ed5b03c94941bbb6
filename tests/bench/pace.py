"""PACE: how long a decision takes at 200 events a second, and how long it is from an event's POST to its experience.

On the emulators, all functions on one core, emulators and load on the other. An open loop: an event is due at its time
whatever the servers do, and is measured from then. Visits begin at any moment and have an event a second, so that at
each there are shoppers at every stage of theirs, as many that begin as that end.

- **decision**: the event is stored a moment before, and pushed alone in its message, which is the dearest way: ingest
  packs what comes together. Beside it the same requests at the same pace to a bare server: what the machine and the
  load itself add.
- **from POST to experience**: the event goes to ingest; once it is acknowledged the page asks for the experience that
  counts it. Meanwhile Pub/Sub's emulator pushes what ingest published to decisioning, two messages at a time.

A campaign pays for what the tree shows, so the first offer of each visit is reserved before its decision is published.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from functions.decisioning.function import FUNCTION as DECISIONING
from functions.experiences.function import FUNCTION as EXPERIENCES
from functions.ingest.function import FUNCTION as DOOR
from layers.campaigns.model import Budget, Campaign, Level
from layers.campaigns.published import publish_campaign
from layers.events.record import Record, decode_record, encode_record
from layers.stores.collections import PROMISES
from layers.stores.firestore.port import Documents
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import encode_parameters
from tests.bench import cores, judged
from tests.bench.decisions import Shop, opened, page_request, push_request
from tests.bench.lines import Lines
from tests.bench.measured import Paced, WrongRun
from tests.bench.percentiles import summary_ms
from tests.bench.servers import INGEST, PROJECT, RETAILER, Place, Served, environment, ours
from tests.bench.setting import Outcome, Setting
from tests.bench.stores import Backends, emulators
from tests.local.shop_visit import PARAMETERS, visit

PER_S = 200
_VISIT_EVENTS = 15
_AT_ONCE = 200
_AHEAD_S = 0.1
"""How long before its message an event is stored."""

OFFERED = msgspec.structs.replace(
    PARAMETERS,
    offers=(
        ShopperOffer(
            campaign="fruit", offer="percent_20", kind="promotion", product="p3", generosity=1.0, threshold=40.0
        ),
    ),
)
_FRUIT = Campaign(
    campaign="fruit",
    kind="promotion",
    products=("p3",),
    generosity=(Level(percent=20),),
    budget=Budget(money=1_000_000),
    starts=(datetime.now(UTC) - timedelta(days=7)).date(),
    ends=(datetime.now(UTC) + timedelta(days=7)).date(),
    timezone="UTC",
)


@dataclass(frozen=True, slots=True)
class Due:
    """One event of a visit, as it is sent. `at_s`: seconds after the beginning."""

    at_s: float
    customer: str
    event: dict[str, Any]
    record: Record


Send = Callable[[Due], Awaitable[None]]


def pace(setting: Setting) -> Outcome:
    """Raises:
    WrongRun: something was refused, or an experience did not count its event.
    """
    with emulators(("bigtable", "pubsub", "firestore"), setting.cores.load, setting.folder) as stores:
        place = Place(stores.values, setting.cores.server, setting.folder, setting.tree)
        with ExitStack() as stack:
            served = {
                function.name: stack.enter_context(
                    ours(function, Place(place.stores, place.core, place.folder / function.name, place.tree))
                )
                for function in (DOOR, DECISIONING, EXPERIENCES)
            }
            served["floor"] = stack.enter_context(INGEST["floor"].start(place))
            figures = asyncio.run(_measured(setting, served, stores))
    return Outcome(judged.pace_lines(figures), list(figures))


async def _measured(setting: Setting, served: dict[str, Served], stores: Backends) -> list[Paced]:
    values = {**environment(DECISIONING, RETAILER), **environment(EXPERIENCES, RETAILER), **stores.values}
    shop, documents = await opened(values)
    await _campaign(documents)
    seconds = 2.0 if setting.effort.short else 12.0
    found: list[Paced] = []
    for round_ in range(setting.effort.rounds):
        for measured in (_bare, _decided, _experienced):
            before = len(await documents.find(PROMISES, retailer=RETAILER.id))
            one = await measured(shop, served, stores, f"{measured.__name__[1:4]}{round_}", seconds)
            promised = len(await documents.find(PROMISES, retailer=RETAILER.id)) - before
            one = replace(one, reserved=promised)
            found.append(one)
            latency = one.latency_ms
            setting.say(
                f"  {one.what:<26} {one.count:5d} at {PER_S}/s  p50 {latency['p50']:6.2f}  p95 {latency['p95']:6.2f}  "
                f"p99 {latency['p99']:6.2f} ms  {one.cpu_us:6.0f} µs of CPU, core {one.busy:.0%} busy"
                + (f", {one.reserved} offers reserved" if one.reserved else "")
                + (f", {one.defaults} were shown the default" if one.defaults else "")
            )
    return found


async def _campaign(documents: Documents) -> None:
    await publish_campaign(documents, RETAILER.id, _FRUIT, "")


async def _bare(shop: Shop, served: dict[str, Served], stores: Backends, name: str, seconds: float) -> Paced:
    async with _lines(served["floor"]) as floor:

        async def send(due: Due) -> None:
            await floor.ask(push_request([due.record]))

        return await _paced("a bare server", [served["floor"]], await visits(shop, name, _VISIT_EVENTS, seconds), send)


async def _decided(shop: Shop, served: dict[str, Served], stores: Backends, name: str, seconds: float) -> Paced:
    async with _lines(served["decisioning"]) as decisioning:

        async def send(due: Due) -> None:
            status, _ = await decisioning.ask(push_request([due.record]))
            if status != 204:
                raise WrongRun(f"decisioning answered {status}.")

        async def ahead(due: Due) -> None:
            await shop.store([due.record])

        return await _paced(
            "decision", [served["decisioning"]], await visits(shop, name, _VISIT_EVENTS, seconds), send, ahead
        )


async def _experienced(shop: Shop, served: dict[str, Served], stores: Backends, name: str, seconds: float) -> Paced:
    async with _lines(served["ingest"]) as door, _lines(served["experiences"]) as pages, _pushed(served, stores):

        async def send(due: Due) -> None:
            status, _ = await door.ask(_post(due))
            if status != 204:
                raise WrongRun(f"ingest answered {status}.")
            status, body = await pages.ask(page_request(due.customer, due.event["id"]))
            answer: dict[str, Any] = json.loads(body) if status == 200 else {}
            if answer.get("reason") == "unavailable":
                # The stores took longer than a shopper should wait; what was shown is the default.
                late.append(due.event["id"])
            elif not answer.get("after", {}).get("counted"):
                raise WrongRun(f"experiences answered {status} {answer.get('reason')}: the event was not counted.")

        late: list[str] = []
        three = [served[function.name] for function in (DOOR, DECISIONING, EXPERIENCES)]
        found = await _paced("from POST to experience", three, await visits(shop, name, _VISIT_EVENTS, seconds), send)
        return replace(found, defaults=len(late))


async def _paced(
    what: str, servers: Sequence[Served], visits: list[Due], send: Send, ahead: Send | None = None
) -> Paced:
    """Sends each at its time. What comes before the first visits have ended warms up."""
    warm_s = float(_VISIT_EVENTS)
    trees = [pid for server in servers for pid in cores.tree(server.pid)]
    latencies: list[float] = []
    begins = time.perf_counter() + 0.5
    used = began = 0.0

    async def one(due: Due) -> None:
        moment = begins + due.at_s
        if ahead is not None:
            await asyncio.sleep(moment - _AHEAD_S - time.perf_counter())
            await ahead(due)
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        await send(due)
        if due.at_s >= warm_s:
            latencies.append(time.perf_counter() - moment)

    gc.collect()
    gc.freeze()
    sent = []
    try:
        for due in visits:
            # Tasks are made shortly before they are due: thousands of sleeping ones would slow the loop.
            await asyncio.sleep(max(0.0, begins + due.at_s - _AHEAD_S - 0.1 - time.perf_counter()))
            if not began and due.at_s >= warm_s:
                used, began = cores.cpu_s(trees), time.perf_counter()
            sent.append(asyncio.create_task(one(due)))
        await asyncio.gather(*sent)
    finally:
        for task in sent:
            task.cancel()
    spent, lasted = cores.cpu_s(trees) - used, time.perf_counter() - began
    return Paced(what, len(latencies), spent / len(latencies) * 1e6, spent / lasted, summary_ms(latencies))


async def visits(shop: Shop, name: str, events: int, seconds: float) -> list[Due]:
    """By time: as many events a second as there should be from when the first visits end, for so many seconds."""
    chance = random.Random(name)
    encoded, now = encode_parameters(OFFERED), datetime.now(UTC)
    ends_s, apart_s = events + seconds, events / PER_S
    made: list[Due] = []
    pseudonyms = []
    for number in range(int(ends_s / apart_s)):
        customer = f"925{name}{number}"
        pseudonym = shop.pseudonymise(customer)
        pseudonyms.append(pseudonym)
        begins_s = (number + chance.random()) * apart_s
        for nth, one in enumerate(visit(f"event{name}{number:04d}n", number, events)[:events]):
            record = decode_record(encode_record(pseudonym, "v1", "web", now, json.dumps(one).encode()))
            made.append(Due(begins_s + nth, customer, one, record))
    for start in range(0, len(pseudonyms), _AT_ONCE):
        some = pseudonyms[start : start + _AT_ONCE]
        await shop.rows.write_parameters(RETAILER.id, [(pseudonym, encoded) for pseudonym in some], 1)
    return sorted((due for due in made if due.at_s < ends_s), key=lambda due: due.at_s)


def _post(due: Due) -> bytes:
    origin = RETAILER.origins[0]
    envelope = {"shopper": due.customer, "session": "v1", "channel": "web", "events": [due.event]}
    body = json.dumps(envelope).encode()
    head = (
        f"POST /v1/events?key={RETAILER.write_key} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\n"
        f"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
    )
    return head.encode() + body


@asynccontextmanager
async def _lines(server: Served) -> AsyncIterator[Lines]:
    lines = Lines(server.port)
    try:
        yield lines
    finally:
        lines.close()


@asynccontextmanager
async def _pushed(served: dict[str, Served], stores: Backends) -> AsyncIterator[None]:
    """While it lasts, Pub/Sub's emulator pushes what ingest publishes to decisioning."""
    name = f"projects/{PROJECT}/subscriptions/decisioning--shopper-events"
    url = f"http://{stores.host('pubsub')}/v1/{name}"
    made = {
        "topic": f"projects/{PROJECT}/topics/shopper-events",
        "ackDeadlineSeconds": 30,
        "pushConfig": {"pushEndpoint": f"http://127.0.0.1:{served['decisioning'].port}/"},
    }
    async with httpx.AsyncClient(timeout=10) as client:
        (await client.put(url, json=made)).raise_for_status()
        try:
            yield
        finally:
            await client.delete(url)
