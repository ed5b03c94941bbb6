"""Runs the program under Pulumi's mocks, as in a preview, and collects what it asks for."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from pulumi.runtime import mocks, set_all_config
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import set_root_resource
from pulumi.runtime.stack import run_pulumi_func

from infra.capture import wire
from infra.capture.graph import Graph, InvalidGraph, Resource
from infra.capture.outputs import UnknownType, answer
from infra.capture.signatures import faults

PULUMI_PROJECT = "gondola"


class _NoMocks(mocks.Mocks):
    """The program asks the provider nothing; what it makes is answered by `_Monitor`."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise InvalidGraph(
            f"the program calls {args.token}, which would need a cloud; take the value from the stack's configuration."
        )


class _Monitor(mocks.MockMonitor):
    """Stands where Pulumi's engine would: takes each resource down and answers as Google would."""

    def __init__(self, root: Path) -> None:
        super().__init__(_NoMocks())
        self._root = root
        self._lock = threading.Lock()
        self.found: dict[str, Resource] = {}
        self.faults: list[str] = []

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        # As Pulumi's engine spells it: the stack itself is nobody's parent in a URN.
        return super().make_urn("" if "::pulumi:pulumi:Stack::" in parent else parent, type_, name)

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - Pulumi's name
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        sources = {name: list(each.urns) for name, each in request.propertyDependencies.items()}
        inputs, unknown = wire.properties(request.object, sources, self._root)
        self._keep(urn, request, inputs, unknown)
        identifier, outputs = self._answer(request)
        state = json_format.ParseDict(outputs, type(request.object)())
        for name in set(request.additionalSecretOutputs) & set(outputs):
            state.fields[name].CopyFrom(wire.hide(state.fields[name]))
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identifier, object=state)

    def _answer(self, request: Any) -> tuple[str, dict[str, Any]]:
        """Goes on after a fault, so that one run names all of them."""
        given = json_format.MessageToDict(request.object)
        try:
            return answer(request.type, request.name, given)
        except (UnknownType, KeyError) as error:
            with self._lock:
                self.faults.append(f"{request.type} {request.name!r}, {error}")
            return request.name, given

    def _keep(self, urn: str, request: Any, inputs: dict[str, Any], unknown: list[str]) -> None:
        found = [f"{path}: comes from an output that the capture does not know" for path in unknown]
        found += faults(request.type, inputs)
        with self._lock:
            if urn in self.found:
                found.append("its URN stands twice: give one of the two another name")
            self.faults += [f"{request.type} {request.name!r}, {fault}" for fault in found]
            self.found[urn] = Resource(
                urn=urn,
                type=request.type,
                name=request.name,
                inputs=inputs,
                depends_on=sorted(set(request.dependencies)),
                protect=bool(request.protect),
                ignore_changes=sorted(request.ignoreChanges),
            )


def stack_values(root: Path, stack: str) -> dict[str, Any]:
    """The values of `Pulumi.<stack>.yaml`.

    Raises:
        InvalidGraph: there is no such file.
    """
    file = root / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))
        raise InvalidGraph(f"there is no Pulumi.{stack}.yaml, so no stack {stack!r}; there are {', '.join(known)}.")
    values = yaml.safe_load(file.read_text())["config"]
    return dict(values)


def run(program: Callable[[], None], root: Path, stack: str, values: Mapping[str, Any]) -> list[Resource]:
    """What a program asks for, sorted by URN.

    Args:
        root: of the repository, to which the paths of files are made relative. values: the stack's configuration.

    Raises:
        InvalidGraph: the program asks for what could not be made; every fault is named.
    """
    monitor = _Monitor(root)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        set_all_config({key: v if isinstance(v, str) else json.dumps(v) for key, v in values.items()})
        set_root_resource(None)  # type: ignore[arg-type]
        mocks.set_mocks(monitor.mocks, project=PULUMI_PROJECT, stack=stack, preview=True, monitor=monitor)
        loop.run_until_complete(run_pulumi_func(program))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    if monitor.faults:
        count = len(monitor.faults)
        raise InvalidGraph(
            f"stack {stack}: {count} inputs would be refused or lost:\n  " + "\n  ".join(sorted(monitor.faults))
        )
    return [monitor.found[urn] for urn in sorted(monitor.found)]


def capture(root: Path, stack: str) -> Graph:
    """Runs the program of `root` for a stack.

    Raises:
        InvalidGraph: see `run`.
        ValueError: its configuration, a declaration or an archive is wrong, as in a real run.
    """
    values = stack_values(root, stack)
    resources = run(lambda: _program(root), root, stack, values)
    return Graph(project=values["gcp:project"], stack=stack, resources=resources)


def _program(root: Path) -> None:
    path = list(sys.path)
    try:
        # The folder, not its file: so Pulumi starts it too, with the folder first on the path.
        runpy.run_path(str(root / "infra"))
    finally:
        sys.path[:] = path
