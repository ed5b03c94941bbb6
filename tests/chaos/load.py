"""The load program: clients that post without pause, repeat what is not acknowledged, and write every answer down.

Runs in a thread with a loop of its own, beside the scenario that breaks things. What a client took in hand it brings to
the end: a batch is repeated until it is acknowledged, as a tracker with a queue does.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from emulators.shop.connection import Connection
from tests.chaos.ledger import Batch, Ledger

PATIENCE_S = 240.0
"""How long anything that must come is waited for. Nothing asserts how fast it came."""

RETRY_S = 0.05
"""Between two attempts. A tracker waits as long as Retry-After says; a test has less time."""

ACKNOWLEDGED = (200, 204)

Make = Callable[[], Batch]


class Load:
    """`with Load(…) as load:` posts until the block ends, and then until all that was begun is acknowledged.

    Args:
        address: of ingest. target: path and query. make: the next batch; called in the load's thread only.
        clients: at the same time. pause_s: of a client between two batches. allowed: statuses that may come.
        batches: of each client; 0 for as many as there is time for. retry_s: before a repetition.
        attempts: at a batch, then it is given up; 0 for as many as it takes. pace: by which a pause is longer now.
    """

    def __init__(
        self,
        address: str,
        target: str,
        ledger: Ledger,
        make: Make,
        clients: int = 4,
        pause_s: float = 0.03,
        allowed: Iterable[int] = (204, 503),
        batches: int = 0,
        retry_s: float = RETRY_S,
        attempts: int = 0,
        pace: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._pace = pace
        self._address, self._target, self.ledger, self._make = address, target, ledger, make
        self._clients, self._pause_s, self._allowed = clients, pause_s, tuple(allowed)
        self._batches, self._retry_s, self._attempts = batches, retry_s, attempts
        self._over = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        if kind is not None:
            self._given_up.set()
        self._thread.join(PATIENCE_S)
        self._given_up.set()
        assert kind is not None or not self._thread.is_alive(), (
            f"what was begun is not acknowledged: {self.ledger.statuses}, {self.ledger.unanswered} without an answer"
        )

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._clients)))

    async def _client(self, number: int) -> None:
        connection = Connection(self._address)
        chance = random.Random(number)
        try:
            for _ in range(self._batches) if self._batches else itertools.count():
                if self._over.is_set():
                    break
                batch = self._make()
                self.ledger.sends(batch)
                for _ in range(self._attempts) if self._attempts else itertools.count():
                    if await post(connection, self._target, batch, self.ledger, self._allowed) in ACKNOWLEDGED:
                        break
                    if self._given_up.is_set():
                        return
                    await asyncio.sleep(self._retry_s)
                await asyncio.sleep(self._pause_s * self._pace() * chance.uniform(0.5, 1.5))
        finally:
            connection.close()


async def post(
    connection: Connection,
    target: str,
    batch: Batch,
    ledger: Ledger,
    allowed: Iterable[int] = (204, 503),
    headers: Mapping[str, str] | None = None,
) -> int:
    """One attempt; its status, 0 where there was no answer."""
    body, sent = batch.body(), {"Content-Type": "text/plain", **(headers or {})}
    try:
        reply = await connection.request("POST", target, sent, body)
    except (OSError, TimeoutError):
        ledger.unanswered += 1
        return 0
    ledger.hears(batch, reply.status, reply.headers, reply.body, allowed)
    return reply.status


def at_once(
    address: str,
    target: str,
    batches: Sequence[Batch],
    ledger: Ledger,
    allowed: Iterable[int] = (204, 503),
    headers: Mapping[str, str] | None = None,
) -> list[int]:
    """Posts each batch once, all at the same time, each over a connection of its own; their statuses."""

    async def one(batch: Batch) -> int:
        connection = Connection(address)
        ledger.sends(batch)
        try:
            return await post(connection, target, batch, ledger, allowed, headers)
        finally:
            connection.close()

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one(batch) for batch in batches))

    return asyncio.run(all_of_them())
