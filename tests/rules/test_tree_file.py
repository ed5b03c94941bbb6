"""A tree's file: its schema is that of the code, and every problem says where in the file it is."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from layers.handwritten.places import Places
from layers.tree.__main__ import main
from layers.tree.problem import InvalidTree
from layers.tree.reading import read_yaml
from layers.tree.schema import schema, written
from tests.rules.test_tree_reading import EXAMPLE, TREE

LAYER = EXAMPLE.parents[1]


def test_the_schema_published_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert (LAYER / "schema.json").read_text() == written(), "python -m layers.tree schema > layers/tree/schema.json"
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == written()


def test_the_schema_takes_the_example_and_refuses_what_the_code_refuses() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    example = yaml.safe_load(EXAMPLE.read_text())
    assert not list(validator.iter_errors(example))
    example["root"]["children"][0]["wenn"] = "true"
    assert [list(error.absolute_path) for error in validator.iter_errors(example)] == [["root", "children", 0]]
    named = EXAMPLE.read_text().splitlines()[0].partition("$schema=")[2]
    assert (EXAMPLE.parent / named).resolve() == LAYER / "schema.json"


@pytest.mark.parametrize(
    ("old", "new", "line_of", "word"),
    [
        ("when: order.paid", "when: order.payed", "when: order.payed", "order.payed"),
        ("limit: 5", "limit: many", "limit: many", "limit"),
        ("kind: tension", "kind: tensoin", "kind: tensoin", "kind"),
        ("about: filling the basket", "abuot: filling the basket", "abuot:", "abuot"),
        # The offending words are in the second line of a folded text.
        ('|| page.kind == "checkout" || basket.v', '|| page.kind == "chekout" || basket.v', "chekout", "page.kind =="),
        ("en: Nothing forgotten?", "en: Nothing {forgotten}?", "Nothing {forgotten}", None),
    ],
)
def test_a_problem_names_its_line_and_column(old: str, new: str, line_of: str, word: str | None) -> None:
    text = EXAMPLE.read_text().replace(old, new, 1)
    with pytest.raises(InvalidTree) as refused:
        read_yaml(text)
    problem = refused.value.problems[0]
    lines = text.splitlines()
    if word is None:
        assert lines[problem.line - 1].strip() == "text:"
    else:
        assert line_of in lines[problem.line - 1]
        assert lines[problem.line - 1][problem.column - 1 :].startswith(word)


def test_a_misspelt_field_is_taught() -> None:
    with pytest.raises(InvalidTree, match="unknown field `abuot`; did you mean `about`"):
        read_yaml(EXAMPLE.read_text().replace("about:", "abuot:", 1))


def test_json_is_read_too_with_tabs_and_escapes() -> None:
    text = json.dumps(TREE, indent="\t").replace("Bonjour", "Bonjour \\ud83d\\uded2")
    tree = read_yaml(text)
    assert tree.definition.default.text["fr"] == "Bonjour \U0001f6d2"
    with pytest.raises(InvalidTree) as refused:
        read_yaml(text.replace("basket.missing < 10.0", "basket.mising < 10.0"))
    assert "basket.mising" in text.replace("missing <", "mising <").splitlines()[refused.value.problems[0].line - 1]


@given(
    st.recursive(
        st.integers() | st.text("ab: #\"'{}-\n", max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=12,
    )
)
def test_every_place_of_a_document_begins_with_what_stands_there(document: object) -> None:
    text = yaml.safe_dump(document, allow_unicode=True)
    places, lines = Places(text), text.splitlines()

    def visit(value: object, path: tuple[str | int, ...]) -> None:
        line, column = places(path)
        rest = lines[line - 1][column - 1 :]
        if path and isinstance(path[-1], str):
            assert rest.startswith((path[-1], f"'{path[-1]}'", f'"{path[-1]}"', "? "))
        elif isinstance(value, int):
            assert rest.startswith(str(value))
        for key, inner in (
            value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
        ):
            visit(inner, (*path, key))

    visit(document, ())
    assert places(("not there",)) == places(())


def test_a_file_that_is_not_there_has_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert main(["check", str(empty)]) == 1
    assert f"{empty}:1:1: error: the file: Expected `object`, got `null`" in capsys.readouterr().err
