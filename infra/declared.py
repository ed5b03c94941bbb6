"""Every function's declaration, found and checked against each other.

Does not own the words (`layers.declarations`) nor what becomes of them (the other modules).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeVar

from layers.declarations import (
    Calls,
    Dataset,
    DeadLetters,
    Documents,
    Function,
    HotTable,
    Http,
    Push,
    RetailerSecret,
    Topic,
)

DATABASES = ("(default)", "rewards")
"""The Firestore databases. `rewards` holds contact details, under accounts that can read no other store."""

APART = "rewards"

N = TypeVar("N")


class InvalidDeclaration(ValueError):
    """Declarations that cannot be deployed together. The message names the function and the remedy."""


def needs(function: Function, kind: type[N]) -> tuple[N, ...]:
    """The needs of one kind."""
    return tuple(need for need in function.needs if isinstance(need, kind))


def is_public(function: Function) -> bool:
    return isinstance(function.trigger, Http) and function.trigger.public


def find(root: Path) -> tuple[Function, ...]:
    """Reads `functions/*/function.py`, by name.

    Raises:
        InvalidDeclaration: a file declares no FUNCTION, or one of another name than its folder.
    """
    found: list[Function] = []
    for path in sorted((root / "functions").glob("*/function.py")):
        name = path.parent.name
        spec = importlib.util.spec_from_file_location(f"functions.{name}.function", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        declared = getattr(module, "FUNCTION", None)
        if not isinstance(declared, Function) or declared.name != name:
            raise InvalidDeclaration(
                f"functions/{name}/function.py declares no FUNCTION named {name!r}, so nothing can be deployed for it; "
                "write FUNCTION = Function(name=<its folder's name>, …)."
            )
        found.append(declared)
    if not found:
        raise InvalidDeclaration(f"no functions/*/function.py under {root.name}/: nothing to deploy")
    return tuple(found)


def _check_apart(function: Function) -> None:
    """Contact details are read under an account that reads nothing else: joined, pseudonyms would be people."""
    databases = {need.database for need in needs(function, Documents)}
    others = [
        *needs(function, HotTable),
        *needs(function, Dataset),
        *needs(function, DeadLetters),
        *needs(function, RetailerSecret),
        *(databases - {APART}),
    ]
    if APART in databases and others:
        raise InvalidDeclaration(
            f"{function.name} needs the database {APART!r} and another store, so one account could join contact "
            "details to what a shopper did; split it into two functions, the second of which is called (Calls)."
        )


def check(functions: Iterable[Function], tables: Iterable[str]) -> tuple[Function, ...]:
    """Checks that everything that is needed can exist.

    Args:
        tables: names of the Bigtable tables.

    Returns:
        The functions, each after those whose address it needs.

    Raises:
        InvalidDeclaration: a topic without a publisher or without a reader, an unknown table, database or function,
            or functions that need each other's addresses.
    """
    by_name = {function.name: function for function in functions}
    published = {need.name for function in by_name.values() for need in needs(function, Topic)}
    read = {topic: f.name for f in by_name.values() if isinstance(f.trigger, Push) for topic in f.trigger.topics}
    for topic, reader in read.items():
        if topic not in published:
            raise InvalidDeclaration(
                f"{reader} is called by topic {topic!r}, to which nobody publishes, so it would never run; "
                "add Topic(…) to the needs of the function that publishes, or correct the name."
            )
    if published - read.keys():
        raise InvalidDeclaration(
            f"nobody reads topic {sorted(published - read.keys())}, so what is published would be lost; "
            "add it to a function's Push(topics=…), or remove the need."
        )
    for function in by_name.values():
        for kind, name, known in (
            *(("Bigtable table", need.name, set(tables)) for need in needs(function, HotTable)),
            *(("Firestore database", need.database, set(DATABASES)) for need in needs(function, Documents)),
            *(("function", need.function, set(by_name)) for need in needs(function, Calls)),
        ):
            if name not in known:
                raise InvalidDeclaration(
                    f"{function.name} needs {kind} {name!r}, which does not exist; there are {sorted(known)}."
                )
        _check_apart(function)
    graph = {function.name: {need.function for need in needs(function, Calls)} for function in by_name.values()}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise InvalidDeclaration(
            f"functions need each other's addresses in a ring: {' -> '.join(error.args[1])}; "
            "a service's address is known only once it exists. Break the ring with a topic."
        ) from None
