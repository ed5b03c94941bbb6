"""What the story needs of a running stack: addresses, names of stores, secrets that a retailer has, jobs to fire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from layers.declarations.settings import Settings
from layers.retailers import Retailer


class DemoFailed(RuntimeError):
    """A part of the story did not hold. The message says the fact, what follows from it and what to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Attributes:
    values: the environment values that functions see, emulators' hosts and the retailer's secrets among them.
    addresses: of functions, by their names. logs: folder with one file a process.
    repository: folder in which `python -m layers.tree` runs.
    fire: calls a scheduled job, with the clock at a moment (None: now); its status and decoded answer.
    graph: how many resources there are, are applied, are not emulated.
    """

    retailer: Retailer
    values: Settings
    addresses: Mapping[str, str]
    fire: Callable[[str, datetime | None], tuple[int, dict[str, Any]]]
    logs: Path
    repository: Path
    graph: Mapping[str, int]

    def report_of(self, job: str, at: datetime | None = None) -> dict[str, Any]:
        """Fires a job and gives its report.

        Raises:
            DemoFailed: it did not answer 200.
        """
        status, report = self.fire(job, at)
        if status != 200:
            reason = report.get("detail") or report.get("failures") or "without a reason"
            raise DemoFailed(
                f"the job {job} answered {status} ({reason}), so what follows from it cannot be shown; see its log"
            )
        return report
