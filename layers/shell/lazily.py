"""Clients made once, in the serving process, at the first request that needs them.

At import it would be too early: gunicorn forks afterwards, and an async gRPC client belongs to the loop it was made in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazily(Generic[T]):
    """`await room()` gives what `make` made; concurrent first callers wait for the same one.

    A failed `make` is tried again by the next caller, so a store that was down at start does no lasting harm.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._made: T | None = None
        self._lock: asyncio.Lock | None = None

    @property
    def made(self) -> T | None:
        """None until it is; for whoever cannot wait."""
        return self._made

    async def __call__(self) -> T:
        if self._made is None:
            self._lock = self._lock or asyncio.Lock()
            async with self._lock:
                if self._made is None:
                    self._made = await self._make()
        return self._made
