"""The table of the bench: what is to be reached, what was reached, and which command shows it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        figure: what was measured, None where a part was not run. target: what it is held against, None for a figure
            that only explains the others. wants: on which side of the target it must lie.
    """

    part: str
    measure: str
    figure: float | None
    unit: str
    target: float | None = None
    wants: Literal["at least", "at most", ""] = ""

    @property
    def reached(self) -> bool | None:
        if self.target is None or self.figure is None:
            return None
        return self.figure >= self.target if self.wants == "at least" else self.figure <= self.target


def at_least(part: str, measure: str, figure: float | None, unit: str, target: float) -> Line:
    return Line(part, measure, figure, unit, target, "at least")


def at_most(part: str, measure: str, figure: float | None, unit: str, target: float) -> Line:
    return Line(part, measure, figure, unit, target, "at most")


def shown(figure: float | None) -> str:
    """Three digits, or all before the point: `0.314`, `41.2`, `15 482`."""
    if figure is None:
        return "-"
    if abs(figure) >= 100:
        return f"{figure:,.0f}".replace(",", " ")
    return f"{figure:.3g}" if abs(figure) >= 1 else f"{figure:.2f}"


def text(lines: Sequence[Line]) -> str:
    """The table, in Markdown."""
    rows = [("part", "measure", "figure", "target", "reached")]
    for line in lines:
        target = "" if line.target is None else f"{line.wants} {shown(line.target)}"
        reached = {None: "", True: "yes", False: "NO"}[line.reached]
        rows.append((line.part, line.measure, f"{shown(line.figure)} {line.unit}".strip(), target, reached))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in ruled
    )
