"""What a reviewer reads is what the program asks for. Renewed by `python -m infra.capture.review`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from infra.capture.review import BEGIN, END, GOLDEN, PAGE, golden, page

ROOT = Path(__file__).resolve().parents[2]
RENEW = "if this change of infrastructure is meant, run `python -m infra.capture.review` and commit what it writes"


def test_the_golden_graph_is_current(looked: Any) -> None:
    stack = looked.graph["stack"]
    kept = (ROOT / GOLDEN / f"{stack}.json").read_text().splitlines()
    assert golden(looked.graph).splitlines() == kept, RENEW


def test_the_page_is_current(dev: Any) -> None:
    text = (ROOT / PAGE).read_text()
    assert page(text, dev.graph) == text, RENEW


def test_a_change_of_code_is_no_change_of_infrastructure(dev: Any) -> None:
    changed: Any = {
        "project": dev.graph["project"],
        "stack": "dev",
        "resources": [{**r, "inputs": _recoded(r["inputs"])} for r in dev.graph["resources"]],
    }
    assert changed != dev.graph
    assert golden(changed) == golden(dev.graph)


def _recoded(value: Any) -> Any:
    """As if every function's code had changed: other digests in other places."""
    if isinstance(value, dict):
        return {key: _recoded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_recoded(each) for each in value]
    if isinstance(value, str):
        return re.sub(r"(?<=[/:-])([0-9a-f]{64}|[0-9a-f]{16})(?=\.zip|$| )", lambda m: m[1][::-1], value)
    return value


def test_a_change_of_an_input_shows(dev: Any) -> None:
    first, *others = dev.graph["resources"]
    changed: Any = {
        "project": dev.graph["project"],
        "stack": "dev",
        "resources": [{**first, "inputs": {**first["inputs"], "description": "another"}}, *others],
    }
    assert golden(changed) != golden(dev.graph)


def test_a_page_without_its_marks_is_said(dev: Any) -> None:
    with pytest.raises(ValueError, match="has lost its marks"):
        page(f"{BEGIN} and no end", dev.graph)
    assert page(f"a\n{BEGIN}\nold\n{END}\nb\n", dev.graph).startswith(f"a\n{BEGIN}\n| kind |")
