"""COOLING: what an event costs on its way from a message into BigQuery, ours beside insert_rows_json an event.

One client process on the server's core, the BigQuery emulator on the other. Ours takes messages of 100 events, as
ingest packs them, through the handler's own steps: records, rows, Arrow, Storage Write. The sample takes one event a
message, as the sample's ingest publishes. Measured is the client's CPU: the emulator's pace says nothing of BigQuery's.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from functions.cooling.keeping import keep
from functions.cooling.rules import cool
from layers.declarations import settings
from layers.declarations.settings import Settings
from layers.events.record import decode_lines, encode_record
from layers.facts import FACTS
from layers.stores.bigquery.writer import BigQueryFacts
from tests.bench import judged
from tests.bench.measured import WrongRun, client
from tests.bench.payloads import MIX, event
from tests.bench.servers import PROJECT
from tests.bench.setting import Outcome, Setting
from tests.bench.stores import emulators
from tests.bench.subjects import sample_cooling
from tests.contracts.datasets import make_dataset

_WARM_UP = 20
_AT_ONCE = 8
"""Messages that are cooled at the same time."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Attributes:
    values: environment values that lead to the emulator. events: after the warm-up's. packed: events a message.
    """

    way: str
    values: dict[str, str]
    dataset: str
    events: int
    packed: int


@dataclass(frozen=True, slots=True)
class Cooled:
    """Attributes:
    cpu_us: of the client, an event. per_s: seen. rows: of the whole errand, in all tables.
    """

    way: str
    cpu_us: float
    per_s: float
    rows: int


def messages(errand: Errand) -> list[bytes]:
    """Record lines of the bench's mix, each with an id of its own; the first `_WARM_UP` messages warm up."""
    chance, now = random.Random(1), datetime.now(UTC)
    shopper = "01" + "ab" * 16

    def lines() -> Iterator[bytes]:
        for number in range(_WARM_UP * errand.packed + errand.events):
            at = now - timedelta(seconds=number)
            made = event(MIX[number % len(MIX)], f"event-{errand.way}-{number:08d}", at, chance)
            yield encode_record(shopper, "session", "web", now, msgspec.json.encode(made))

    every = list(lines())
    return [b"\n".join(every[first : first + errand.packed]) for first in range(0, len(every), errand.packed)]


async def _ours(errand: Errand, held: list[bytes]) -> tuple[float, float]:
    facts = BigQueryFacts.of(Settings(errand.values))
    waiting = iter(held)

    async def work() -> None:
        for data in waiting:
            records, corrupt = decode_lines(data)
            refused = await keep(facts, errand.dataset, cool(records))
            if corrupt or refused:
                raise WrongRun("cooling refused what the bench made")

    async def everything(part: list[bytes]) -> None:
        nonlocal waiting
        waiting = iter(part)
        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    await everything(held[:_WARM_UP])
    began, used = time.perf_counter(), time.process_time()
    await everything(held[_WARM_UP:])
    spent = time.process_time() - used, time.perf_counter() - began
    await facts.close()
    return spent


def _sample(errand: Errand, held: list[bytes]) -> tuple[float, float]:
    writer, dataset = _client(errand.values), f"{PROJECT}.{errand.dataset}"
    for data in held[:_WARM_UP]:
        sample_cooling.cool(writer, dataset, data)
    began, used = time.perf_counter(), time.process_time()
    for data in held[_WARM_UP:]:
        sample_cooling.cool(writer, dataset, data)
    return time.process_time() - used, time.perf_counter() - began


def _client(values: Mapping[str, str]) -> Any:
    options = ClientOptions(api_endpoint=f"http://{values[settings.EMULATOR_HOSTS['bigquery']]}")
    return bigquery.Client(PROJECT, AnonymousCredentials(), client_options=options)


def main() -> None:
    """The client process: an errand on standard input, what came of it on standard output."""
    errand = msgspec.json.decode(sys.stdin.buffer.read(), type=Errand)
    held = messages(errand)
    cpu_s, seconds = asyncio.run(_ours(errand, held)) if errand.way == "ours" else _sample(errand, held)
    rows = sum(
        len(rows)
        for data in held
        for line in data.split(b"\n")
        for rows in sample_cooling.rows_of(json.loads(line)).values()
    )
    json.dump(asdict(Cooled(errand.way, cpu_s / errand.events * 1e6, errand.events / seconds, rows)), sys.stdout)


def cooling(setting: Setting) -> Outcome:
    """Raises:
    WrongRun: BigQuery holds another number of rows than were written.
    """
    figures = []
    few = setting.effort.short
    errands: list[tuple[str, int, int]] = [("ours", 4_000 if few else 20_000, 100), ("sample", 40 if few else 200, 1)]
    with emulators(("bigquery",), setting.cores.load, setting.folder) as stores:
        for _ in range(setting.effort.rounds):
            for way, events, packed in errands:
                dataset = make_dataset(stores.host("bigquery"), PROJECT)
                values = {**stores.values, settings.PROJECT: PROJECT}
                errand = msgspec.json.encode(Errand(way, values, dataset, events, packed))
                written = client("tests.bench.cooling", errand, setting.cores.server)
                figure = msgspec.json.decode(written, type=Cooled)
                stored = _rows(_client(values), dataset)
                if stored != figure.rows:
                    raise WrongRun(f"cooling, {way}: {figure.rows} rows were written, {stored} are there.")
                figures.append(figure)
                setting.say(f"  {way:<10} {figure.cpu_us:8.1f} µs/event {figure.per_s:9.0f} events/s")
    best = {way: min(figure.cpu_us for figure in figures if figure.way == way) for way, _, _ in errands}
    return Outcome(judged.cooling_lines(best), list(figures))


def _rows(warehouse: Any, dataset: str) -> int:
    found = 0
    for table in FACTS:
        (row,) = warehouse.query(f"SELECT COUNT(*) FROM `{PROJECT}.{dataset}.{table.stored_as}`").result()
        found += row[0]
    return found


if __name__ == "__main__":
    main()
