"""STREAMS: what a page that stays open costs an instance of experiences while nothing changes.

On the emulators: as many streams as an instance takes, each of a shopper who has been decided. What the process tree
uses meanwhile, less what it uses with none open, and what its memory grows by, for each stream. Streams that were
opened at the same moment look at the same moment, and their reads travel in one call; those of real pages are spread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from functions.decisioning.function import FUNCTION as DECISIONING
from functions.experiences.function import FUNCTION as EXPERIENCES
from functions.experiences.streaming import EVERY_S, MOST
from layers.declarations import Function
from layers.shell.bounds import GONE_S
from tests.bench import cores, judged
from tests.bench.decisions import opened, page_request, push_request
from tests.bench.lines import Lines
from tests.bench.measured import Streamed, WrongRun
from tests.bench.pace import visits
from tests.bench.servers import RETAILER, Place, Served, environment, ours
from tests.bench.setting import Outcome, Setting
from tests.bench.stores import emulators

_A_MESSAGE = 100


def streams(setting: Setting) -> Outcome:
    """Raises:
    WrongRun: a stream was refused, or said nothing.
    """
    with emulators(("bigtable", "pubsub", "firestore"), setting.cores.load, setting.folder) as stores:

        def own(function: Function) -> Place:
            return Place(stores.values, setting.cores.server, setting.folder / function.name, setting.tree)

        values = {**environment(DECISIONING, RETAILER), **environment(EXPERIENCES, RETAILER), **stores.values}
        with ours(DECISIONING, own(DECISIONING)) as decisioning, ours(EXPERIENCES, own(EXPERIENCES)) as experiences:
            found = asyncio.run(_measured(setting, decisioning, experiences, values))
    return Outcome(judged.stream_lines(found), list(found))


async def _measured(
    setting: Setting, decisioning: Served, experiences: Served, values: dict[str, str]
) -> list[Streamed]:
    shop, _ = await opened(values)
    first = (await visits(shop, "stream", 1, 1.0))[:MOST]
    await shop.store([due.record for due in first])
    pushes = Lines(decisioning.port)
    for start in range(0, len(first), _A_MESSAGE):
        status, _ = await pushes.ask(push_request([due.record for due in first[start : start + _A_MESSAGE]]))
        if status != 204:
            raise WrongRun(f"decisioning answered {status}.")
    pushes.close()
    # One answer each, so that the room is made and what is loaded once is not counted as a stream's.
    pages = Lines(experiences.port)
    await asyncio.gather(*(pages.ask(page_request(due.customer, due.event["id"])) for due in first))
    pages.close()
    seconds = 3.0 if setting.effort.short else 20.0
    tree = cores.tree(experiences.pid)
    idle_s, (before_mb, _) = await _used(tree, seconds), cores.memory_mb(tree)
    found = []
    for how, apart_s in (("at their own moments", EVERY_S / len(first)), ("at one moment", 0.0)):
        writers = await _all_open(experiences.port, [due.customer for due in first], apart_s)
        open_s, (after_mb, _) = await _used(tree, seconds), cores.memory_mb(tree)
        for writer in writers:
            writer.close()
        count = len(writers)
        one = Streamed(
            how=how,
            count=count,
            cpu_us=(open_s - idle_s) / count / seconds * 1e6,
            busy=open_s / seconds,
            kb=(after_mb - before_mb) * 1024 / count,
        )
        found.append(one)
        setting.say(
            f"  {count} streams {how}: {one.cpu_us:.0f} µs of CPU a second each, core {one.busy:.0%} busy, "
            f"{one.kb:.0f} KB each"
        )
        await asyncio.sleep(GONE_S + 3 * EVERY_S)  # Until their places are given back.
    return found


async def _all_open(port: int, customers: Sequence[str], apart_s: float) -> list[asyncio.StreamWriter]:
    begun = time.perf_counter()

    async def one(nth: int, customer: str) -> asyncio.StreamWriter:
        await asyncio.sleep(max(0.0, begun + nth * apart_s - time.perf_counter()))
        return await _open(port, customer)

    writers = await asyncio.gather(*(one(nth, customer) for nth, customer in enumerate(customers)))
    await asyncio.sleep(2 * EVERY_S)
    return writers


async def _used(tree: list[int], seconds: float) -> float:
    """CPU of a process tree in so long."""
    used, began = cores.cpu_s(tree), time.perf_counter()
    await asyncio.sleep(seconds)
    return (cores.cpu_s(tree) - used) / (time.perf_counter() - began) * seconds


async def _open(port: int, customer: str) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    origin = RETAILER.origins[0]
    writer.write(
        f"GET /v1/experiences/stream?key={RETAILER.read_key} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {origin}\r\n"
        f"Accept: text/event-stream\r\nGondola-Shopper: {customer}\r\n\r\n".encode()
    )
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            said = (await reader.read(500)).decode()
            raise WrongRun(f"a stream was answered {head.partition(b' ')[2][:3].decode()}: {said}")
        await reader.readuntil(b"event: experiences")
    return writer
