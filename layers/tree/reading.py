"""Reads a tree: YAML as a marketer writes it, or JSON as it is published.

Does not own the tree's rules (`model`, `tree`); it only makes their errors name the node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

import msgspec

from layers.handwritten.places import Places
from layers.handwritten.yaml_file import NotReadable, read_strictly
from layers.tree.model import Default, Definition, Experience, Node
from layers.tree.problem import InvalidTree, Problem, Step
from layers.tree.tree import Tree, compile_tree

_decoder = msgspec.json.Decoder(Definition)
_STEPS = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def _node_at(document: Any, path: str) -> str:
    """`node `near_reward`, show 1, threshold` for `$.root.children[2].show[0].threshold`."""
    steps = _STEPS.findall(path)
    here, node, rest = document, "", ""
    for name, index in steps:
        rest += f", {name}" if name else f" {int(index) + 1}"
        try:
            here = here[name] if name else here[int(index)]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(here, dict) and isinstance(here.get("id"), str):
            node, rest = here["id"], ""
    return f"node `{node}`{rest}" if node else path.removeprefix("$").removeprefix(".") or "the file"


def _fields(path: Sequence[Step]) -> tuple[str, ...]:
    """What may stand in the mapping at a path of the document."""
    for step in reversed(path):
        if step == "default":
            return Default.__struct_fields__
        if step == "show":
            return tuple(dict.fromkeys(name for kind in get_args(Experience) for name in ("kind", *_names(kind))))
        if step in ("root", "children"):
            return Node.__struct_fields__
    return Definition.__struct_fields__


def _names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return kind.__struct_fields__


def _taught(error: str, document: Any) -> Problem:
    rule, _, at = error.partition(" - at `")
    at = at.rstrip("`") or "$"
    path: tuple[Step, ...] = tuple(name or int(index) for name, index in _STEPS.findall(at))
    if "Expected `str" in rule and "got `bool`" in rule:
        rule += "; YAML reads true and yes as truth values: put the expression in quotes"
    if "Expected `float | int | str`" in rule or "got `object`" in rule:
        rule += "; does a text with a colon or a brace need quotes?"
    where = _node_at(document, at)
    unknown = re.search(r"unknown field `(.+)`", rule)
    if unknown:
        close = get_close_matches(unknown[1], _fields(path), n=1)
        rule += f"; did you mean `{close[0]}`?" if close else f"; here may stand {', '.join(_fields(path))}"
        path = (*path, unknown[1])
    return Problem(where=where, path=path, says=rule)


def located(problems: Iterable[Problem], text: str) -> list[Problem]:
    """With line and column, in the file's order."""
    place = Places(text)
    found = []
    for problem in problems:
        line, column = place(problem.path, problem.at)
        found.append(msgspec.structs.replace(problem, line=line, column=column))
    return sorted(found, key=lambda problem: (problem.line, problem.column))


def document_of(text: str) -> tuple[Any, str]:
    """The document, and the text as positions count in it. JSON is YAML but for tabs and surrogates in escapes.

    Raises:
        NotReadable: neither, or a key stands twice.
    """
    if not text.lstrip().startswith("{"):
        return read_strictly(text), text
    text = text.replace("\t", " ")
    document = read_strictly(text)
    try:
        return json.loads(text), text
    except ValueError:
        return document, text


def read_yaml(text: str) -> Tree:
    """Reads a file that people wrote, in YAML or in JSON.

    Raises:
        InvalidTree: with every problem of its expressions, or the first of its form, each with its line and column.
    """
    try:
        document, text = document_of(text)
    except NotReadable as error:
        line, _, says = str(error).partition(": ") if str(error).startswith("line ") else ("", "", str(error))
        number = int(line.removeprefix("line ") or 0)
        raise InvalidTree([Problem(where=line, says=says, line=number, column=1 if number else 0)]) from None
    try:
        definition = msgspec.convert(document, Definition, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidTree(located([_taught(str(error), document)], text)) from None
    try:
        return compile_tree(definition)
    except InvalidTree as error:
        raise InvalidTree(located(error.problems, text)) from None


def read_json(data: str | bytes) -> Tree:
    """Raises:
    InvalidTree: the published definition breaks a rule; the code may have become stricter since.
    """
    try:
        return compile_tree(_decoder.decode(data))
    except msgspec.MsgspecError as error:
        raise InvalidTree([Problem(says=f"the published tree cannot be read: {error}")]) from None


def write_json(tree: Tree) -> str:
    """As it is published: `read_json` gives the same tree and the same version."""
    return msgspec.json.encode(tree.definition).decode()
