"""Where in a file something stands: line and column of a path into the document. Does not own what is wrong there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


class Places:
    """Of YAML (and JSON, which is YAML too) that could be read."""

    def __init__(self, text: str) -> None:
        import yaml  # Only command lines ask for places; a function's start need not pay for it.

        self._text = text
        self._root: Any = yaml.compose(text, yaml.SafeLoader)

    def __call__(self, path: Sequence[str | int], within: str = "") -> tuple[int, int]:
        """Line and column, from 1, of the value at `path`, or of what of it there is.

        Args:
            within: words of that value; where they stand in it exactly once as whole words, their place.
        """
        node, start = self._root, self._root.start_mark if self._root is not None else None
        for number, step in enumerate(path):
            key, value = _entry(node, step)
            if value is None:
                break
            # A field is shown where its name is; an item of a list, or a text whose words are sought, where it begins.
            last = number == len(path) - 1
            start = key.start_mark if key is not None and not (last and within) else value.start_mark
            node = value
        else:
            if within and node is not None:
                found = list(
                    re.finditer(
                        rf"(?<![\w.]){re.escape(within)}(?!\w)",
                        self._text[node.start_mark.index : node.end_mark.index],
                    )
                )
                if len(found) == 1:
                    before = self._text[: node.start_mark.index + found[0].start()]
                    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return (start.line + 1, start.column + 1) if start is not None else (1, 1)


def _entry(node: Any, step: str | int) -> tuple[Any, Any]:
    """The node of the key (None in a list) and of the value; (None, None) if there is none."""
    children = getattr(node, "value", None)
    if isinstance(step, int) and isinstance(children, list) and getattr(node, "id", "") == "sequence":
        return (None, children[step]) if step < len(children) else (None, None)
    if isinstance(children, list) and getattr(node, "id", "") == "mapping":
        for key, value in children:
            if key.value == step:
                return key, value
    return None, None
