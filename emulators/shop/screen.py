"""What the person in front of the demo sees while it runs: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_EVERY_S = 5.0


class Bar(Protocol):
    def at(self, done: int, total: int | None = None) -> None:
        """Moves to `done`; from any thread."""


class Screen:
    """Args:
    console: of rich. clock: monotonic seconds; given, so that a test needs no waiting.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console, self._clock = console, clock

    def chapter(self, number: int, title: str) -> None:
        self.console.print(f"\n[bold]{number}. {title}[/bold]", highlight=False)

    def say(self, text: str) -> None:
        self.console.print(f"   {text}", highlight=False, soft_wrap=True, markup=False)

    @contextmanager
    def bar(self, what: str, total: int | None) -> Iterator[Bar]:
        """A bar for as long as the block runs."""
        if not self.console.is_terminal:
            line = _Lines(self, what, total, self._clock)
            yield line
            line.end()
            return
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        with Progress(*columns, TimeElapsedColumn(), console=self.console) as progress:
            yield _Task(progress, what, total, self._clock)


def rate(done: int, seconds: float) -> str:
    """Nothing for what was there already when one began to look."""
    return f"{done / seconds:,.0f}/s" if seconds >= 0.5 else ""


class _Task:
    def __init__(self, progress: Progress, what: str, total: int | None, clock: Callable[[], float]) -> None:
        self._progress, self._clock, self._begun = progress, clock, clock()
        self._task = progress.add_task(what, total=total, rate="")

    def at(self, done: int, total: int | None = None) -> None:
        self._progress.update(self._task, completed=done, rate=rate(done, self._clock() - self._begun))
        if total is not None:
            self._progress.update(self._task, total=total)


class _Lines:
    """One line every few seconds, and one at the end."""

    def __init__(self, screen: Screen, what: str, total: int | None, clock: Callable[[], float]) -> None:
        self._screen, self._what, self._total, self._clock = screen, what, total, clock
        self._begun = self._printed = clock()
        self._done, self._said = 0, -1

    def at(self, done: int, total: int | None = None) -> None:
        self._done, self._total = done, total if total is not None else self._total
        if self._clock() - self._printed >= LINE_EVERY_S:
            self._print()

    def end(self) -> None:
        if self._said != self._done:
            self._print()

    def _print(self) -> None:
        self._printed, self._said = self._clock(), self._done
        seconds = self._printed - self._begun
        of = f" of {self._total:,}" if self._total is not None else ""
        speed = rate(self._done, seconds)
        self._screen.say(f"{self._what}: {self._done:,}{of} ({speed + ', ' if speed else ''}{seconds:.0f} s)")


def until(
    bar: Bar,
    reached: Callable[[], int],
    wanted: int,
    *,
    every_s: float = 1.0,
    patience_s: float = 60.0,
    passing: tuple[type[Exception], ...] = (),
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Asks `reached` again and again until it is `wanted` or more.

    Args:
        passing: errors of `reached` that mean no more than «ask again».

    Returns:
        Whether it got there; False once nothing has moved for `patience_s`.
    """
    best, moved = -1, clock()
    while True:
        try:
            now = reached()
        except passing:
            now = best
        bar.at(max(now, 0))
        if now >= wanted:
            return True
        if now > best:
            best, moved = now, clock()
        elif clock() - moved > patience_s:
            return False
        pause(every_s)
