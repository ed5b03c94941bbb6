"""The picture holds every node and lets no two cards touch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.tree.__main__ import main
from layers.tree.cards import WIDTH
from layers.tree.picture import Traffic, picture
from layers.tree.reading import read_yaml
from tests.rules.test_tree_reading import EXAMPLE, TREE

SVG = "{http://www.w3.org/2000/svg}"


def cards(drawn: str) -> dict[str, tuple[float, float, float]]:
    """x, y and height by the node's id."""
    found = {}
    for group in ElementTree.fromstring(drawn).iter(f"{SVG}g"):
        x, y = map(float, re.findall(r"[\d.]+", group.get("transform", "")))
        frame, title = group.find(f"{SVG}rect"), group.find(f"{SVG}text")
        assert frame is not None and title is not None and title.text
        found[title.text] = (x, y, float(frame.get("height", "0")))
    return found


shapes: st.SearchStrategy[list[Any]] = st.recursive(
    st.just([]), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


@settings(deadline=None, max_examples=40)
@given(shapes, st.text('<&">é]', max_size=5))
def test_no_two_cards_touch_and_all_lie_within(shape: list[Any], about: str) -> None:
    numbers = iter(range(1000))

    def grown(children: list[Any]) -> list[dict[str, Any]]:
        made = ({"id": f"n{next(numbers)}", "about": f"about {about}", "when": 'search != "<&>"'} for _ in children)
        return [{**node, "children": grown(below)} for node, below in zip(made, children, strict=True)]

    tree = read_yaml(yaml.safe_dump({**TREE, "root": {**TREE["root"], "children": grown(shape)}}))
    drawn = picture(tree)
    placed = cards(drawn)
    assert set(placed) == set(tree.places)
    root = ElementTree.fromstring(drawn)
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    boxes = list(placed.values())
    for number, (x, y, tall) in enumerate(boxes):
        assert x >= 0 and x + WIDTH <= width and y >= 0 and y + tall <= height
        for x2, y2, tall2 in boxes[:number]:
            assert x + WIDTH < x2 or x2 + WIDTH < x or y + tall < y2 or y2 + tall2 < y
    for name, place in tree.places.items():
        for first, second in zip(place.children, place.children[1:], strict=False):
            assert placed[name][0] < placed[first][0] and placed[first][1] < placed[second][1]


def test_the_example_is_drawn_with_its_conditions_texts_and_traffic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tree.svg"
    assert main(["draw", str(EXAMPLE), "-o", str(out)]) == 0
    shown = EXAMPLE.with_suffix(".svg")
    assert out.read_text() == shown.read_text(), f"python -m layers.tree draw {EXAMPLE} -o {shown}"
    words = " ".join("".join(text.itertext()) for text in ElementTree.parse(out).iter(f"{SVG}text"))
    for place in read_yaml(EXAMPLE.read_text()).places.values():
        for condition in (place.node.when, place.node.leave):
            assert condition is None or set(condition.split()) <= set(words.split())
    assert "“Nothing forgotten?”" in words and "guess_the_basket for 3" in words
    assert main(["draw", str(EXAMPLE), "-o", str(tmp_path / "no" / "tree.svg")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    tree = read_yaml(EXAMPLE.read_text())
    assert "7 of 9 journeys" in picture(tree, {"arrival": Traffic(7 / 9, "7 of 9 journeys")})
