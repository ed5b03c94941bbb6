"""Work beside the one that shows progress. In daemon threads: Ctrl-C must not wait for a job of half an hour."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_background(work: Callable[[], T]) -> Future[T]:
    """Starts it; the future has its result or its exception."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def follow(future: Future[T], look: Callable[[], None], every_s: float) -> T:
    """Looks every so often until the work is done; its result."""
    while True:
        try:
            return future.result(timeout=every_s)
        except TimeoutError:
            if future.done():
                raise
            look()
