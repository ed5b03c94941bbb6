"""What is wrong with a tree, and where: so that whoever wrote it can go there. Data only.

Does not own finding it (`tree`, `expressions`, `review`) nor the file's lines (`layers.handwritten.places`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Step = str | int
"""Of a path into the document: a key, or a place in a list from 0."""

Severity = Literal["error", "warning"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    rule: its kind, for programs: `form`, `expression`, `text`, `never_holds`, `unreachable`, `overlap`, …
    where: for people: the node and the field. path: the same in the document.
    says: what is wrong, what comes of it, what to write instead.
    at: the words of the field that are wrong; empty for all of it.
    line, column: from 1; 0 until `located`, and where there is no file.
    """

    severity: Severity = "error"
    rule: str = "form"
    where: str = ""
    path: tuple[Step, ...] = ()
    says: str
    at: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.where}: {self.says}" if self.where else self.says


class InvalidTree(ValueError):
    """Attributes:
    problems: each one names the node, the field, what is wrong and what to write instead.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def told(problem: Problem, file: str) -> str:
    """`tree.yaml:12:9: error: node …`: as compilers do, so that editors jump there."""
    place = f"{file}:{problem.line}:{problem.column}" if problem.line else file
    return f"{place}: {problem.severity}: {problem}"
