"""Reads a tree: YAML as a marketer writes it, or JSON as it is published.

Does not own the tree's rules (`model`, `tree`); it only makes their errors name the node.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

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


def _unique_keys(text: str) -> Any:
    """Safe YAML, with a key that stands twice refused: PyYAML keeps the last and drops the first without a word."""
    import yaml  # Only the command line reads YAML; a function's start need not pay for it.

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, str) and key in seen:
                    raise InvalidTree([f"line {key_node.start_mark.line + 1}: `{key}` stands twice; remove one"])
                seen.add(key if isinstance(key, str) else str(key))
            return dict(super().construct_mapping(node, deep))

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise InvalidTree(
            [
                f"{line}not YAML: {getattr(error, 'problem', None) or 'cannot be read'}; "
                "check the indentation, and quote texts that hold a colon"
            ]
        ) from None


def read_yaml(text: str) -> Tree:
    """Raises:
    InvalidTree: with every problem of its expressions, or the first of its form.
    """
    document = _unique_keys(text)
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
