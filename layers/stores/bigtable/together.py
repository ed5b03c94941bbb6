"""Reads that are asked for at the same moment travel in one call.

A call costs 100 to 250 us, a row in it about 30. A message about 100 shoppers asks for 100 rows at the same moment: a
decision costs 0.27 ms instead of 0.66. Who asks need not know of the others, and waits for none of them: a moment is
one turn of the loop. Owns no key and no row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 100
"""Questions in one call: a message's shoppers, and far below what Bigtable takes."""


class Together(Generic[Q, A]):
    """Args:
    read: answers all questions, in their order, in one call. What it raises, everyone hears who asked.
    """

    def __init__(self, read: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        self._read = read
        self._open: list[tuple[Q, asyncio.Future[A]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def __call__(self, question: Q) -> A:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[A] = loop.create_future()
        if not self._open:
            loop.call_soon(self._send)
        self._open.append((question, answer))
        if len(self._open) == MOST:
            self._send()
        return await answer

    def _send(self) -> None:
        asked, self._open = self._open, []
        if asked:
            task = asyncio.get_running_loop().create_task(self._call(asked))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _call(self, asked: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._read([question for question, _ in asked])
        except Exception as error:
            for _, waiting in asked:
                if not waiting.done():
                    waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(asked, answers, strict=True):
            # Who waits no longer was cancelled: its patience ended.
            if not waiting.done():
                waiting.set_result(answer)
