"""What a function's code imports of this repository, found by reading it, never by running it.

One file at a time, so that an archive holds a module only if the function reaches it. Blocks under
`if TYPE_CHECKING:` do not count, since they never run. Does not see imports made from strings: nobody here makes any.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

_OURS = ("functions", "layers", "infra", "emulators", "tests")


class InvalidImport(ValueError):
    """Code that imports what an archive cannot or must not hold."""


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every statement that can run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for statement in node.orelse:
                yield statement
                yield from _statements(statement)
            continue
        if isinstance(node, ast.expr):
            continue  # No statement stands in an expression, and most nodes are expressions.
        if isinstance(node, ast.stmt):
            yield node
        yield from _statements(node)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that `from … import` names, with the dots of a relative one resolved."""
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


@cache
def _named(source: str, name: str, package: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(module, names taken from it) of every import in a file. Most files are in most archives: read anew for each,
    they were seven of the eight seconds that a capture took.

    Args:
        source: the file's text. name: its own, for errors.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in _statements(ast.parse(source, filename=name)):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((_absolute(node, package), tuple(alias.name for alias in node.names)))
    return tuple(found)


def _file(root: Path, module: str) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _module(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def reached(root: Path, starts: Sequence[Path]) -> set[Path]:
    """The files that running these may load: themselves, what they import, and every parent's `__init__.py`.

    Args:
        starts: of one function's folder.

    Raises:
        InvalidImport: it imports a module that is not there, another function, or what is no part of an archive.
    """
    if not starts:
        return set()
    own = starts[0].relative_to(root).parts[:2]
    found: set[Path] = set()
    waiting = list(starts)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        relative = path.relative_to(root)
        parents = [parent / "__init__.py" for parent in path.parents if parent.is_relative_to(root) and parent != root]
        waiting += [parent for parent in parents if parent.is_file()]
        module = _module(root, path)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name, taken in _named(path.read_text(), path.name, package):
            if name.split(".")[0] not in _OURS:
                continue
            if not name.startswith("layers") and tuple(name.split(".")[:2]) != own and name != "functions":
                raise InvalidImport(
                    f"{relative} imports {name}, which is not part of its archive, so the deployed function would not "
                    "start; move what it needs into a layer."
                )
            # `from package import name`: the name may be a module of the package or something inside it.
            modules = [_file(root, f"{name}.{each}") for each in taken if _file(root, f"{name}.{each}")]
            target = _file(root, name)
            if target is None and not modules:
                raise InvalidImport(f"{relative} imports {name}, but no such module exists; correct it or write it.")
            waiting += [each for each in (target, *modules) if each]
    return found
