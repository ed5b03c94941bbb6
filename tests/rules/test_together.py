"""Questions of one moment travel together; each who asks gets its own answer, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from layers.stores.bigtable.together import MOST, Together


class Asked:
    """Answers each question with its double, once it is `free`; or fails."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.failure: Exception | None = None

    async def read(self, questions: Sequence[int]) -> list[int]:
        self.calls.append(list(questions))
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
        return [2 * question for question in questions]


async def test_one_moment_is_one_call_and_each_gets_its_own_answer() -> None:
    asked = Asked()
    together = Together(asked.read)
    assert await asyncio.gather(*(together(n) for n in (3, 1, 2, 1))) == [6, 2, 4, 2]
    assert asked.calls == [[3, 1, 2, 1]]
    assert await together(4) == 8
    assert asked.calls[1:] == [[4]]


async def test_who_comes_later_waits_for_nobody() -> None:
    asked = Asked()
    together = Together(asked.read)
    asked.free.clear()
    first = asyncio.create_task(together(1))
    while not asked.calls:
        await asyncio.sleep(0)
    second = asyncio.create_task(together(2))
    while len(asked.calls) < 2:
        await asyncio.sleep(0)
    asked.free.set()
    assert [await first, await second] == [2, 4]


@pytest.mark.parametrize("many", [MOST - 1, MOST, MOST + 1, 3 * MOST])
async def test_no_call_asks_too_much(many: int) -> None:
    asked = Asked()
    together = Together(asked.read)
    assert await asyncio.gather(*(together(n) for n in range(many))) == [2 * n for n in range(many)]
    assert max(map(len, asked.calls)) <= MOST
    assert sum(map(len, asked.calls)) == many


async def test_a_failure_is_told_to_all_and_lasts_for_one_call() -> None:
    asked = Asked()
    together = Together(asked.read)
    asked.failure = LookupError("down")
    found = await asyncio.gather(together(1), together(2), return_exceptions=True)
    assert [type(one) for one in found] == [LookupError, LookupError]
    asked.failure = None
    assert await together(3) == 6


async def test_whose_patience_ends_leaves_the_others_their_answers() -> None:
    asked = Asked()
    together = Together(asked.read)
    asked.free.clear()
    waiting = [asyncio.create_task(together(n)) for n in range(3)]
    while not asked.calls:
        await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    asked.free.set()
    assert [await one for one in waiting[1:]] == [2, 4]
    assert waiting[0].cancelled()
