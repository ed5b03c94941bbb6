"""Safe YAML, with what PyYAML forgives refused: a key that stands twice."""

from __future__ import annotations

from typing import Any


class NotReadable(ValueError):
    """The message names the line, what is wrong and what to do."""


def read_strictly(text: str) -> Any:
    """PyYAML keeps the last of two equal keys and drops the first without a word; here that is an error.

    Raises:
        NotReadable: no YAML, or a key stands twice.
    """
    import yaml  # Only command lines read YAML; a function's start need not pay for it.

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, str) and key in seen:
                    raise NotReadable(f"line {key_node.start_mark.line + 1}: `{key}` stands twice; remove one")
                seen.add(key if isinstance(key, str) else str(key))
            return dict(super().construct_mapping(node, deep))

    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, NotReadable):
            raise
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise NotReadable(
            f"{line}not YAML: {getattr(error, 'problem', None) or 'cannot be read'}; "
            "check the indentation, and quote texts that hold a colon"
        ) from None
