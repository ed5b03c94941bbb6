"""The JSON Schema of a tree's file, for editors and other programs: made from `model`, so that it cannot say otherwise.

Does not own what a schema cannot say (expressions, texts, reachability): `check` does.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec

from layers.tree.model import Definition


def schema() -> dict[str, Any]:
    """Draft 2020-12. `description`s are the docstrings, which editors show beside the field."""
    made = msgspec.json.schema(Definition)
    for definition in made["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Shopping Experience Tree of Gondola",
        **made,
    }


def written() -> str:
    """As it stands in `schema.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
