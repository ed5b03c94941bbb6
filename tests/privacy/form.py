"""The forms of a run, and what it reports. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Form:
    """Attributes:
    crowd, erased, batches, returning: shoppers that are active, of them erased, in how many requests, of those how
        many come back.
    more: batches of events that must be acknowledged between two erasures.
    group: shoppers of each request that is killed. points: how many deeds are struck; None for every one. lanes: by
        how many instances at a time: with six on two busy cores a store's answer came too late for half a minute.
    long: looks once more before the nightly run, and has Pub/Sub itself give messages up.
    pause_s: of each of six clients between two batches: a steady load, less than the laptop can bear.
    """

    crowd: int
    erased: int
    batches: int
    returning: int
    more: int
    group: int
    points: int | None
    lanes: int
    pause_s: float
    long: bool = False


LONG = Form(
    crowd=2000,
    erased=500,
    batches=5,
    returning=60,
    more=300,
    group=2,
    points=None,
    lanes=4,
    pause_s=0.4,
    long=True,
)
SHORT = Form(crowd=80, erased=30, batches=2, returning=6, more=20, group=2, points=1, lanes=1, pause_s=0.5)
PARTS = {"crowd": replace(LONG, points=0), "kills": replace(SHORT, points=None, lanes=4)}
"""The long form's two halves, each for itself."""


@dataclass(slots=True)
class Report:
    """Attributes:
    rows: what the final table says. faults: why the run failed.
    """

    seed: int
    rows: list[tuple[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def tells(self, what: str, figure: object) -> None:
        self.rows.append((what, str(figure)))

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def table(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{name:<{width}}  {figure}" for name, figure in self.rows]
        return "\n".join([*lines, *(f"FAULT: {fault}" for fault in self.faults)])
