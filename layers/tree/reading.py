"""Reads a tree: YAML as a marketer writes it, or JSON as it is published.

Does not own the tree's rules (`model`, `tree`); it only makes their errors name the node.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from layers.handwritten.yaml_file import NotReadable, read_strictly
from layers.tree.model import Definition
from layers.tree.tree import InvalidTree, Tree, compile_tree

_decoder = msgspec.json.Decoder(Definition)


def _node_at(document: Any, path: str) -> str:
    """`node `near_reward`, show 1, threshold` for `$.root.children[2].show[0].threshold`."""
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path)
    here, node, rest = document, "", ""
    for name, index in steps:
        rest += f", {name}" if name else f" {int(index) + 1}"
        try:
            here = here[name] if name else here[int(index)]
        except (KeyError, IndexError, TypeError):
            break
        if isinstance(here, dict) and isinstance(here.get("id"), str):
            node, rest = here["id"], ""
    return f"node `{node}`{rest}" if node else path.removeprefix("$.") or "the file"


def _taught(error: str, document: Any) -> str:
    rule, _, path = error.partition(" - at `")
    if "Expected `str" in rule and "got `bool`" in rule:
        rule += "; YAML reads true and yes as truth values: put the expression in quotes"
    if "Expected `float | int | str`" in rule or "got `object`" in rule:
        rule += "; does a text with a colon or a brace need quotes?"
    return f"{_node_at(document, path.rstrip('`') or '$')}: {rule}"


def read_yaml(text: str) -> Tree:
    """Raises:
    InvalidTree: with every problem of its expressions, or the first of its form.
    """
    try:
        document = read_strictly(text)
    except NotReadable as error:
        raise InvalidTree([str(error)]) from None
    try:
        definition = msgspec.convert(document, Definition, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidTree([_taught(str(error), document)]) from None
    return compile_tree(definition)


def read_json(data: str | bytes) -> Tree:
    """Raises:
    InvalidTree: the published definition breaks a rule; the code may have become stricter since.
    """
    try:
        return compile_tree(_decoder.decode(data))
    except msgspec.MsgspecError as error:
        raise InvalidTree([f"the published tree cannot be read: {error}"]) from None


def write_json(tree: Tree) -> str:
    """As it is published: `read_json` gives the same tree and the same version."""
    return msgspec.json.encode(tree.definition).decode()
