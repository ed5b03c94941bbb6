"""Declarations that cannot be deployed together are refused, with the function's name and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.declared import InvalidDeclaration, check, find
from layers.declarations import Access, Calls, Documents, Function, HotTable, Http, Need, Push, Schedule, Topic

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("events", "shoppers", "arrivals")


def _function(name: str, *needs: Need, topics: tuple[str, ...] = ()) -> Function:
    return Function(name, "", Push(topics) if topics else Schedule("0 0 * * *"), needs)


def test_the_real_declarations_go_together() -> None:
    functions = find(ROOT)
    assert {f.name for f in check(functions, TABLES)} == {f.name for f in functions}
    assert len(functions) >= 8


def test_whoever_is_called_comes_first() -> None:
    order = check([_function("aa", Calls("bb")), _function("bb", Calls("cc")), _function("cc")], TABLES)
    assert [f.name for f in order] == ["cc", "bb", "aa"]


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ([_function("reader", topics=("nobody",))], "reader is called by topic 'nobody', to which nobody publishes"),
        ([_function("writer", Topic("unread"))], r"nobody reads topic \['unread'\]"),
        (
            [_function("aa", HotTable("nowhere", Access.READ))],
            "aa needs Bigtable table 'nowhere', which does not exist",
        ),
        ([_function("aa", Documents(Access.READ, "lost"))], "aa needs Firestore database 'lost'"),
        ([_function("aa", Calls("ghost"))], "aa needs function 'ghost'"),
        ([_function("aa", Calls("bb")), _function("bb", Calls("aa"))], "in a ring"),
    ],
)
def test_what_cannot_exist_is_refused(functions: list[Function], says: str) -> None:
    with pytest.raises(InvalidDeclaration, match=says):
        check(functions, TABLES)


@pytest.mark.parametrize(
    "text", ["", "FUNCTION = 1", "from layers.declarations import *\nFUNCTION = Function('x2', '', Http(True, ()))"]
)
def test_a_folder_declares_a_function_of_its_own_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "functions" / "x1").mkdir(parents=True)
    (tmp_path / "functions" / "x1" / "function.py").write_text(text)
    with pytest.raises(InvalidDeclaration, match=r"functions/x1/function\.py declares no FUNCTION named 'x1'"):
        find(tmp_path)


def test_nothing_to_deploy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="nothing to deploy"):
        find(tmp_path)


def test_only_https_functions_are_public() -> None:
    public = {f.name for f in find(ROOT) if isinstance(f.trigger, Http) and f.trigger.public}
    assert public == {"ingest", "experiences", "claims"}
