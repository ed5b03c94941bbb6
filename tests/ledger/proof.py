"""The proof: many redeem at once from processes that are killed, a witness looks on, in the end the books are exact."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from layers.declarations.settings import Settings
from layers.ledger.books import Books
from layers.ledger.healing import Balance, heal
from layers.ledger.ledger import Ledger
from layers.ledger.model import Budget, Status
from layers.stores.firestore.documents import FirestoreDocuments
from tests.ledger.shoppers import COUNT, DAY, MONEY, SHOP, STORES, UNTIL, key_of

ROOT = Path(__file__).parents[2]
SHARDS = 4
ALONE = 20
"""Who come one after the other in the end."""


@dataclass(frozen=True, slots=True)
class Course:
    """`count` of the campaign, and so much of the day too; a store has 60 % of it. `money` in cents. `kills`: of
    processes, while they redeem."""

    shoppers: int
    count: int
    money: int
    processes: int
    kills: int
    seed: int = 1


@dataclass(slots=True)
class Found:
    """What was seen.

    Attributes:
        looks: how often the witness read every shard. killed: processes. spent: in the end, by budget.
    """

    looks: int = 0
    killed: int = 0
    broken: list[str] = field(default_factory=list)
    balances: dict[str, Balance] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


async def _process(environment: dict[str, str], first: int, count: int, kill_after: int | None, *more: str) -> int:
    """Runs to its end, or is killed in the midst of its work once so many of its shoppers were served."""
    command = [sys.executable, "-m", "tests.ledger.shoppers", str(first), str(count), *more]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    served = 0
    try:
        async for _ in process.stdout:
            served += 1
            if served == kill_after:
                process.kill()
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _slice(
    environment: dict[str, str], first: int, count: int, kills: list[int], found: Found, *more: str
) -> None:
    """One process's shoppers until all are served, however often it is killed."""
    for kill_after in [*kills, None]:
        code = await _process(environment, first, count, kill_after, *more)
        if code == 0:
            return
        if code != -signal.SIGKILL:
            raise AssertionError(
                f"shoppers ended with {code}, unkilled; run python -m tests.ledger.shoppers to see why"
            )
        found.killed += 1


async def _witness(books: Books, budgets: list[Budget], found: Found) -> None:
    """Reads every shard again and again: none may ever have given more than it had."""
    while True:
        for budget in budgets:
            for kept in await books.shards(budget):
                if not 0 <= kept.value.used <= kept.value.allotment:
                    found.broken.append(f"{budget.budget}: {kept.value.used} of {kept.value.allotment} in a shard")
        found.looks += 1
        await asyncio.sleep(0.01)


async def prove(course: Course, environment: dict[str, str], told: Callable[[str], None]) -> Found:
    """Raises AssertionError on the first promise that is broken.

    Args:
        environment: names a Firestore that holds nothing yet.
    """
    begun, found, draw = time.monotonic(), Found(), random.Random(course.seed)
    documents = FirestoreDocuments.of(Settings(environment))
    books = Books(documents)
    budgets = [await books.open(SHOP, name, units, SHARDS) for name, units in _limits(course).items()]
    each = course.shoppers // course.processes
    witness = asyncio.create_task(_witness(books, budgets, found))
    kills = [
        [draw.randrange(1, each // 2) for _ in range(course.kills // course.processes)] for _ in range(course.processes)
    ]
    try:
        await asyncio.gather(*(_slice(environment, n * each, each, kills[n], found) for n in range(course.processes)))
        told(f"{course.shoppers} shoppers served, {found.killed} processes killed, {found.looks} looks at every shard")
        # Cancels and refunds gave units back after others were refused. A last wave takes them: to the very last.
        await _slice(environment, course.shoppers, course.count, [], found, "--settles")
        # Who holds a unit of the campaign's and is then refused by a store's, keeps it from others for a moment. Alone,
        # nobody does.
        await _slice(environment, course.shoppers + course.count, ALONE, [], found, "--settles", "--at-once", "1")
    finally:
        witness.cancel()
    everybody = range(course.shoppers + course.count + ALONE)
    after = datetime.now(UTC) + UNTIL + timedelta(minutes=1)
    ledger = Ledger(books, lambda: after)
    spent = dict.fromkeys(_limits(course), 0)
    for number in everybody:
        kept = await books.reservation(SHOP, key_of(number))
        assert kept is not None, "a shopper was served of whom the ledger knows nothing"
        found.told[kept.value.status.value] = found.told.get(kept.value.status.value, 0) + 1
        if kept.value.status is Status.COMMITTED:
            for claim in kept.value.claims:
                spent[claim.budget] += claim.settled
    for budget in budgets:
        for _ in range(2):
            found.balances[budget.budget] = (await heal(books, ledger, budget, after)).balance
    found.seconds = time.monotonic() - begun
    _judged(course, found, spent)
    return found


def _limits(course: Course) -> dict[str, int]:
    # The stores' add up to more than the campaign's, so that now the one binds and now the other.
    stores = dict.fromkeys(STORES, course.count * 6 // 10)
    return {COUNT: course.count, MONEY: course.money, DAY: course.count, **stores}


def _judged(course: Course, found: Found, spent: dict[str, int]) -> None:
    assert not found.broken, found.broken[0]
    assert found.looks > 0
    assert found.killed == course.kills // course.processes * course.processes, "a process ended before its kill"
    for name, limit in _limits(course).items():
        balance = found.balances[name]
        assert (balance.limit, balance.held) == (limit, 0), balance
        assert balance.spent == spent[name] <= limit, (
            f"{name}: the shards say {balance.spent}, the shoppers {spent[name]}"
        )
        assert balance.free == limit - balance.spent, balance
    assert course.count - found.balances[COUNT].spent <= _leftover(course), "units were left that somebody wanted"
    in_stores = sum(found.balances[store].spent for store in STORES)
    assert in_stores == found.balances[DAY].spent == found.balances[COUNT].spent, "one took a part only"


def _leftover(course: Course) -> int:
    """Nobody is refused while there is room. Money may run out first, or leave less than the next one asks for."""
    return 0 if course.money >= 300 * course.count else course.count


def environment_of(host: str, name: str) -> dict[str, str]:
    """Of a process on an emulator, with a database of its own."""
    return {
        **os.environ,
        "FIRESTORE_EMULATOR_HOST": host,
        "GONDOLA_DATABASE_DEFAULT": f"projects/ledger/databases/{name}",
    }
