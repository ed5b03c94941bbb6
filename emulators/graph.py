"""The captured graph as plain data, and how appliers read it. Pure but for `read`.

Owns the graph's shape as it is found in the file. Does not know what any type of resource means (the appliers do).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Inputs = Mapping[str, Any]


class InvalidGraph(ValueError):
    """The graph is no graph, or a resource lacks what its applier needs. Says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as the program asked for it. `inputs` are named as on Pulumi's wire (camelCase)."""

    urn: str
    type: str
    name: str
    inputs: Inputs
    depends_on: tuple[str, ...] = ()

    def get(self, *path: str, default: Any = None) -> Any:
        """The input at this path, or the default."""
        found: Any = self.inputs
        for key in path:
            if not isinstance(found, Mapping) or found.get(key) is None:
                return default
            found = found[key]
        return found

    def text(self, *path: str) -> str:
        """The input at this path.

        Raises:
            InvalidGraph: it is not there, or no text (a secret, say).
        """
        found = self.get(*path)
        if not isinstance(found, str) or not found:
            raise InvalidGraph(
                f"{self.type} {self.name!r} has no {'.'.join(path)}, so it cannot be made locally; "
                "look at the resource in infra/, or teach emulators/appliers how this one is written."
            )
        return found


@dataclass(frozen=True, slots=True)
class Graph:
    """A stack's resources. `project` is the Google Cloud project."""

    project: str
    stack: str
    resources: tuple[Resource, ...]


def parse(data: str | bytes) -> Graph:
    """Raises:
    InvalidGraph: not the JSON that `python -m infra.capture` writes.
    """
    try:
        found = json.loads(data)
        resources = tuple(
            Resource(each["urn"], each["type"], each["name"], each["inputs"], tuple(each["depends_on"]))
            for each in found["resources"]
        )
        return Graph(found["project"], found["stack"], resources)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidGraph(
            f"this is no captured graph ({type(error).__name__}: {error}); write it anew with "
            "`python -m infra.capture`."
        ) from None


def read(path: Path) -> Graph:
    """Raises:
    InvalidGraph: no such file, or not a graph.
    """
    if not path.is_file():
        raise InvalidGraph(f"there is no {path.name}: write it with `python -m infra.capture --out {path}`.")
    return parse(path.read_bytes())


def localised(value: Any, addresses: Mapping[str, str]) -> Any:
    """The value with every service's address of the graph replaced by its local one, at any depth.

    Args:
        addresses: by the address in the graph, e.g. `https://ingest.run.invalid`.
    """
    if isinstance(value, str):
        for there, here in addresses.items():
            value = value.replace(there, here)
        return value
    if isinstance(value, Mapping):
        return {key: localised(each, addresses) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [localised(each, addresses) for each in value]
    return value
