"""A tree's file: what is refused names the node, and the same meaning is the same version."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from layers.tree.__main__ import main
from layers.tree.outline import outline
from layers.tree.problem import InvalidTree
from layers.tree.reading import read_json, read_yaml, write_json

EXAMPLE = Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml"

TREE: dict[str, Any] = {
    "tree": "small",
    "languages": ["en", "fr"],
    "default": {"text": {"en": "Hello", "fr": "Bonjour"}},
    "root": {
        "id": "start",
        "show": [{"kind": "recommendation", "products": "recommended", "text": {"en": "For you", "fr": "Pour vous"}}],
        "children": [
            {
                "id": "nearly",
                "when": "basket.missing < 10.0",
                "show": [{"kind": "tension", "threshold": 50, "text": {"en": "{missing} to go", "fr": "{missing}"}}],
            }
        ],
    },
}


PROMOTION = {
    "kind": "promotion",
    "product": "offer.product",
    "generosity": "offer.generosity",
    "threshold": "offer.threshold",
    "text": {"en": "{generosity}", "fr": "{generosity}"},
}


def test_a_promotion_is_an_offers_or_the_same_for_everybody() -> None:
    for promotion in (PROMOTION, {**PROMOTION, "product": "favourite_missing.id", "generosity": 0.5}):
        tree = copy.deepcopy(TREE)
        child(tree)["show"] = [promotion]
        assert read_yaml(yaml.safe_dump(tree)).places["nearly"].show


def problems(change: Any) -> str:
    tree = copy.deepcopy(TREE)
    change(tree)
    with pytest.raises(InvalidTree) as refused:
        read_yaml(yaml.safe_dump(tree))
    return str(refused.value)


def child(tree: Any) -> Any:
    return tree["root"]["children"][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: child(t).update(when=True), "node `nearly`, when: Expected `str | null`, got `bool`; YAML reads"),
        (lambda t: child(t).update(wenn="true"), "node `nearly`: Object contains unknown field `wenn`"),
        (lambda t: child(t).pop("when"), "node `nearly`: has no `when`"),
        (lambda t: child(t).update(id="start"), "node `start`: the id stands twice"),
        (lambda t: t["root"].update(when="true"), "the root has no `when` and no `leave`"),
        (lambda t: t["root"].update(show=[]), "the root shows nothing"),
        (lambda t: child(t).update(leave="basket.totl > 3"), "node `nearly`, leave: `basket.totl` is no variable"),
        (lambda t: child(t)["show"][0].update(kind="coupon"), "node `nearly`, show 1, kind: Invalid value 'coupon'"),
        (
            lambda t: child(t)["show"][0].update(threshold="basket.products"),
            "node `nearly`, show 1 (tension), threshold: `basket.products` gives a list",
        ),
        (
            lambda t: child(t).update(show=[{**PROMOTION, "generosity": "shopper.generosity"}]),
            "node `nearly`, show 1 (promotion), generosity: `shopper.generosity` would show one product at",
        ),
        (
            lambda t: child(t).update(show=[{**PROMOTION, "product": "favourite_missing.id"}]),
            "product: `favourite_missing.id` has a price of its own; beside offer.generosity belongs offer.product",
        ),
        (lambda t: child(t)["show"][0].update(limit=3), "node `nearly`, show 1: Object contains unknown field `limit`"),
        (lambda t: child(t)["show"][0]["text"].pop("fr"), "node `nearly`, show 1 (tension), text: has no 'fr'"),
        (lambda t: child(t)["show"][0]["text"].update(de="x"), "has 'de', which is not among the tree's languages"),
        (lambda t: child(t)["show"][0]["text"].update(en="{prize}"), "the text of a tension can name {missing}, {thre"),
        (lambda t: child(t)["show"][0]["text"].update(en="{missing"), "a brace that is not closed"),
        (lambda t: t["default"]["text"].update(en="{missing}"), "default, text: 'en' has {missing}"),
        (lambda t: t.update(owner="me"), "unknown field `owner`"),
    ],
)
def test_a_problem_names_its_node(change: Any, says: str) -> None:
    assert says in problems(change)


def test_all_wrong_expressions_are_listed_at_once() -> None:
    def change(tree: Any) -> None:
        child(tree).update(when="baskt", leave="1 +")
        child(tree)["show"][0]["threshold"] = "nothing"

    assert len(problems(change).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [("tree: a\ntree: b\n", "line 2: `tree` stands twice"), ("tree: [a\n", "not YAML"), ("- 1\n", "Expected `object`")],
)
def test_what_is_no_tree_at_all(text: str, says: str) -> None:
    with pytest.raises(InvalidTree, match=says):
        read_yaml(text)


def test_a_version_is_of_the_meaning() -> None:
    tree = read_yaml(EXAMPLE.read_text())
    rewritten = read_yaml(yaml.safe_dump(yaml.safe_load(EXAMPLE.read_text())))
    changed = read_yaml(EXAMPLE.read_text().replace("limit: 5", "limit: 6", 1))
    assert tree.version == rewritten.version != changed.version
    assert read_json(write_json(tree)).version == tree.version


def test_the_command_line_checks_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLE)]) == 0
    assert "14 nodes" in capsys.readouterr().out
    bad = tmp_path / "bad.yaml"
    bad.write_text(EXAMPLE.read_text().replace("when: order.paid", "when: order.payed"))
    assert main(["check", str(bad)]) == 1
    error = capsys.readouterr().err
    assert "node `order_paid`, when: `order.payed` is no variable; did you mean `order.paid`?" in error
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    assert main(["variables"]) == 0
    assert main(["draw", str(EXAMPLE)]) == 0
    drawn = capsys.readouterr().out
    tree = read_yaml(EXAMPLE.read_text())
    assert drawn.rstrip().endswith(outline(tree))
    assert all(f"● {node}" in drawn for node in tree.places)


def test_publishing_without_a_database_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GONDOLA_DATABASE_DEFAULT", raising=False)
    assert main(["publish", str(EXAMPLE), "--retailer", "demo"]) == 2
    assert "GONDOLA_DATABASE_DEFAULT is missing" in capsys.readouterr().err
