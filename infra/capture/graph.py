"""The captured graph's shape, and how it is written."""

from __future__ import annotations

import json
from typing import Any, TypedDict


class Resource(TypedDict):
    """One resource as the program asked for it. `protect` and `ignore_changes` are Pulumi's options: never deleted or
    replaced, and inputs of which a change is not applied."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    depends_on: list[str]
    protect: bool
    ignore_changes: list[str]


class Graph(TypedDict):
    """All resources of a stack, sorted by URN; `project` is the Google Cloud project."""

    project: str
    stack: str
    resources: list[Resource]


class InvalidGraph(ValueError):
    """The program asks for what could not be made. Names every fault found, each with its resource."""


def render(graph: Graph) -> str:
    """The graph as JSON text, equal for equal graphs."""
    return json.dumps(graph, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
