"""What every part of the bench is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.cores import Cores
from tests.bench.table import Line


@dataclass(frozen=True, slots=True)
class Effort:
    """How long each load lasts, and how many rounds of them there are. `short` where that only shows that it works."""

    rounds: int = 3
    warm_up_s: float = 1.0
    measure_s: float = 3.0
    short: bool = False

    @classmethod
    def quick(cls) -> Effort:
        return cls(1, 0.5, 1.0, short=True)


@dataclass(frozen=True, slots=True)
class Setting:
    """Attributes:
    folder: for logs and the like, gone afterwards. tree: the repository whose functions are measured.
    say: told of progress. servers, batches: of ingest; names of `servers.INGEST`, and events a request.
    """

    effort: Effort
    cores: Cores
    folder: Path
    tree: Path
    say: Callable[[str], None]
    servers: Sequence[str] = ()
    batches: Sequence[int] = (1, 10, 50)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Attributes:
    lines: of the table. figures: every figure of every round, for whoever looks closer.
    """

    lines: list[Line]
    figures: list[Any] = field(default_factory=list)
