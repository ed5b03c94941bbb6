"""The captured graph of every stack, captured once, and the ways in which the tests here look at it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra import declared
from infra.capture import Graph, Resource, capture
from infra.capture.review import STACKS
from infra.capture.run import stack_values
from infra.configuration import Stack, parse
from layers.declarations import Function

ROOT = Path(__file__).resolve().parents[2]


class Looked:
    """A stack's graph beside what it was made from: its configuration and the declarations."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.stack: Stack = parse(graph["stack"], stack_values(ROOT, graph["stack"]))
        self.functions: tuple[Function, ...] = declared.find(ROOT)

    def of(self, kind: str) -> list[Resource]:
        """Resources of a type, named by its end: `Topic` is `gcp:pubsub/topic:Topic`, and no other topic there is."""
        found = [r for r in self.graph["resources"] if r["type"] == kind or r["type"].endswith(f"/{kind}")]
        assert found, f"no {kind} in the graph: a test of nothing proves nothing"
        return found

    def inputs(self, kind: str) -> list[dict[str, Any]]:
        return [resource["inputs"] for resource in self.of(kind)]

    def member(self, account: str) -> str:
        return f"serviceAccount:{account}@{self.stack.project}.iam.gserviceaccount.com"

    @property
    def agent(self) -> str:
        """Pub/Sub's own account."""
        return "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"


@cache
def _captured(stack: str) -> Looked:
    return Looked(capture(ROOT, stack))


@pytest.fixture(params=STACKS)
def looked(request: pytest.FixtureRequest) -> Looked:
    """Each stack in turn."""
    return _captured(request.param)


@pytest.fixture
def dev() -> Looked:
    return _captured("dev")


@pytest.fixture
def clone(tmp_path: Path) -> Callable[[], Path]:
    """A copy of what archives are built from, to change at will."""

    def make() -> Path:
        for folder in ("functions", "layers", "infra"):
            shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file in [ROOT / "requirements.txt", *ROOT.glob("Pulumi*.yaml")]:
            shutil.copy(file, tmp_path / file.name)
        return tmp_path

    return make
