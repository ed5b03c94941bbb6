"""The load: clients that post what the script says, look at their page, and repeat what is not acknowledged.

Runs in a thread with a loop of its own, beside the officer who erases.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from emulators.shop.connection import Connection
from tests.privacy.cast import Batch, Cast, Script

PATIENCE_S = 240.0
RETRY_S = 0.1
PAGES = 0.1
"""Of the batches, how many are followed by a look at the page."""


class Answers:
    """What the doors said.

    Attributes:
        taken: ids under `204`, or under `200` without being among the refused. refused: reason by id.
        complaints: answers that the contract does not allow.
    """

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.refused: dict[str, str] = {}
        self.pages = 0
        self.complaints: list[str] = []

    def hears(self, batch: Batch, status: int, body: bytes) -> bool:
        """Whether the request is done with."""
        self.statuses[status] += 1
        if status not in (200, 204, 400):
            if status != 503:
                self.complaints.append(f"ingest answered {status}: {body[:200].decode(errors='replace')}")
            return status != 503
        left_out = {each["index"]: each["reason"] for each in json.loads(body).get("rejected", ())} if body else {}
        if status == 400 and len(left_out) < len(batch.events):
            self.complaints.append(f"ingest answered 400: {body[:200].decode(errors='replace')}")
        for number, event in enumerate(batch.events):
            if number in left_out:
                self.refused[event["id"]] = left_out[number]
            elif status != 400:
                self.taken.add(event["id"])
        return True


class Crowd:
    """`with Crowd(…) as crowd:` posts until the block ends, then what is still held back.

    Args:
        ingest, experiences: addresses. post, look: path and query of each. token: of a customer, for its page.
        pause_s: of a client between two batches, once everybody was there.
    """

    def __init__(
        self,
        cast: Cast,
        script: Script,
        ingest: tuple[str, str],
        experiences: tuple[str, str],
        token: Callable[[str], str],
        pause_s: float,
        clients: int = 6,
    ) -> None:
        self._cast, self._script, self._ingest, self._experiences = cast, script, ingest, experiences
        self._token, self._clients, self._pause_s = token, clients, pause_s
        self._own: list[Batch] = []
        self.answers = Answers()
        self._over = threading.Event()
        self._broken: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, name="crowd", daemon=True)

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join(5 if kind else PATIENCE_S)
        if kind is None:
            if self._broken:
                raise self._broken[0]
            assert not self._thread.is_alive(), f"what was begun is not acknowledged: {self.answers.statuses}"

    def also(self, batches: Sequence[Batch]) -> None:
        """These are sent next, in between the others."""
        with self._cast.lock:
            self._own.extend(batches)

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert self._thread.is_alive(), f"the load ended before {what}: {self._broken}"
            assert time.monotonic() < end, f"still not {what}: {self.answers.statuses}"
            time.sleep(0.05)

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self._broken.append(error)

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self._clients)))
        with self._cast.lock:
            rest = [*self._own, *self._script.rest()]
        connection = Connection(self._ingest[0])
        for batch in rest:
            await self._post(connection, batch)
        connection.close()

    async def _client(self, number: int) -> None:
        door, page = Connection(self._ingest[0]), Connection(self._experiences[0])
        chance = random.Random(number)
        try:
            while not self._over.is_set():
                with self._cast.lock:
                    batch = self._own.pop(0) if self._own else self._script.next()
                await self._post(door, batch)
                if chance.random() < PAGES:
                    await self._look(page, batch)
                pause_s = self._pause_s if self._script.opened else 0.01
                await asyncio.sleep(pause_s * chance.uniform(0.5, 1.5))
        finally:
            door.close()
            page.close()

    async def _post(self, connection: Connection, batch: Batch) -> None:
        body = batch.body()
        while True:
            try:
                reply = await connection.request("POST", self._ingest[1], {"Content-Type": "text/plain"}, body)
                if self.answers.hears(batch, reply.status, reply.body):
                    return
            except (OSError, TimeoutError):
                self.answers.statuses[0] += 1
            await asyncio.sleep(RETRY_S)

    async def _look(self, connection: Connection, batch: Batch) -> None:
        try:
            headers = {"Gondola-Shopper": self._token(batch.shopper.customer)}
            reply = await connection.request("GET", self._experiences[1], headers)
        except (OSError, TimeoutError):
            return
        self.answers.pages += 1
        if reply.status not in (200, 503):
            self.answers.complaints.append(f"experiences answered {reply.status}: {reply.body[:200]!r}")
