"""What `check` proves of a tree is true, what it warns of can happen, and it says both with their place."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import cel
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from layers.tree.__main__ import main
from layers.tree.expressions import RUNTIME_ERRORS
from layers.tree.logic import core, impossible, read, without
from layers.tree.problem import InvalidTree, Problem
from layers.tree.reaching import impossible_conditions, unreachable
from layers.tree.reading import read_yaml
from layers.tree.review import review
from layers.tree.samples import sample_values
from layers.tree.trying import moments
from layers.tree.variables import Values
from layers.tree.walk import Moment, move
from tests.rules.test_tree_reading import EXAMPLE, PROMOTION, TREE

CAMPAIGNS = EXAMPLE.parents[2] / "campaigns" / "examples"
GAMES = EXAMPLE.parents[2] / "game" / "examples"

FACTS = (
    "basket.total > 2.0", "basket.total <= 2.0", "basket.total == 3.0", "1.0 >= basket.total", "basket.total != 3.0",
    "basket.lines > 1", "basket.lines < 2", "basket.lines == 0", "basket.lines >= 1", "basket.total < 0.0",
    "favourite_missing.probability > 1.0", "favourite_missing.probability >= 0.5", "shopper.known",
    "order.paid == false",
    'page.kind == "home"', 'page.kind in ["home", "basket"]', '!(page.kind in ["home", "basket"])', 'page.kind != ""',
    'page.category == "A"', 'page.category != "A"', "basket.total >= shopper.threshold * 0.5",
    "shopper.threshold * 0.5 > basket.total", "basket.total == shopper.threshold", 'recommended[0] == "milk"',
    'recommended.exists(p, p == "milk")', "basket.total / double(basket.lines) < 2.0", '"milk" in recommended', "true",
    "false", "shopper.known ? basket.total > 2.0 : basket.lines > 1",
)  # fmt: skip

conditions = st.recursive(
    st.sampled_from(FACTS),
    lambda inner: (
        st.tuples(inner, st.sampled_from(("&&", "||")), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})")
        | inner.map(lambda source: f"!({source})")
    ),
    max_leaves=6,
)


@st.composite
def values(draw: st.DrawFn) -> Values:
    """Any values of the types, whether or not a shopper could have all of them at once."""
    number = st.sampled_from((0.0, 0.5, 1.0, 2.0, 2.01, 3.0, 4.0))
    made: dict[str, Any] = copy.deepcopy(sample_values()[1])
    made["basket"].update(total=draw(number), lines=draw(st.integers(0, 3)))
    made["shopper"].update(known=draw(st.booleans()), threshold=draw(number))
    made["favourite_missing"]["probability"] = draw(st.sampled_from((0.0, 0.5, 1.0)))
    made["order"]["paid"] = draw(st.booleans())
    made["page"] = {"kind": draw(st.sampled_from(("", "home", "basket"))), "category": draw(st.sampled_from(("", "A")))}
    made["recommended"] = draw(st.sampled_from(([], ["milk"], ["bread"])))
    return made


def holds(source: str, at: Values) -> bool:
    try:
        return cel.compile(source).execute(cel.Context(variables=at)) is True
    except RUNTIME_ERRORS:
        return False


@settings(max_examples=120, deadline=None)
@given(st.lists(conditions, min_size=1, max_size=3), st.lists(conditions, max_size=2), st.data())
def test_what_is_called_impossible_never_happens(true: list[str], untrue: list[str], data: st.DataObject) -> None:
    formulas = [*map(read, true), *(without(read(source)) for source in untrue)]
    assume(impossible(formulas))
    kept = core(formulas)
    assert kept and impossible(formulas[index] for index in kept)
    for _ in range(4):
        at = data.draw(values())
        assert not (all(holds(source, at) for source in true) and not any(holds(source, at) for source in untrue))


@pytest.mark.parametrize(
    "source",
    [
        "basket.total > 50.0 && basket.total < 20.0",
        "basket.lines > 2 && basket.lines < 3",
        "basket.total < 0.0",
        'page.kind == "home" && page.kind == "basket"',
        'page.category == "A" && page.category != "A"',
        "shopper.known && (basket.lines > 3 || order.paid) && !shopper.known",
        "basket.total >= shopper.threshold * 0.66 && basket.total < shopper.threshold * 0.66",
        "basket.total < shopper.threshold && shopper.threshold <= basket.total",
        '!(event.type != "Searched") && event.type == "PageViewed"',
        'search.contains("milk") && !search.contains("milk")',
        "order.paid ? basket.total < 0.0 : false",
    ],
)
def test_contradictions_that_are_found(source: str) -> None:
    assert impossible([read(source)])


def problems(*children: dict[str, Any], campaigns: dict[str, str] | None = None) -> list[Problem]:
    tree = copy.deepcopy(TREE)
    tree["root"]["children"] = list(children)
    return review(read_yaml(yaml.safe_dump(tree)), campaigns)


def node(id: str, when: str, leave: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"id": id, "when": when, **({"leave": leave} if leave else {}), **rest}


@pytest.mark.parametrize(
    ("children", "rule", "says"),
    [
        (
            [node("a", "shopper.known && basket.total > 50.0 && basket.total < 20.0", children=[node("b", "true")])],
            "never_holds",
            "node `a`, when: `basket.total > 50.0` and `basket.total < 20.0` never hold together, so nobody ever comes "
            "here; nor does anybody come to what is below it: b",
        ),
        ([node("a", "order.paid", "basket.total < 0.0")], "never_holds", "leave: this can never hold"),
        (
            [node("a", "basket.lines > 0"), node("b", "basket.lines > 2")],
            "unreachable",
            "node `b`, when: nobody ever comes here: whenever it holds, `a`, which is tried before it, takes",
        ),
        (
            [node("a", "shopper.known"), node("b", "!shopper.known"), node("c", "order.paid")],
            "unreachable",
            "`a`, which is tried before it, takes the shopper; or `b`, which is tried",
        ),
        ([node("a", "order.paid", "order.paid || basket.lines > 2")], "unreachable", "its own `leave` holds as well"),
        (
            [node("a", "basket.lines > 0", "basket.lines == 0", children=[node("b", "basket.lines == 0")])],
            "unreachable",
            "node `b`, when: nobody ever comes here: whenever it holds, the `leave` of `a` above it holds as well",
        ),
    ],
)
def test_what_nobody_can_reach_is_an_error(children: list[dict[str, Any]], rule: str, says: str) -> None:
    [problem] = [one for one in problems(*children) if one.severity == "error"]
    assert problem.rule == rule and says in str(problem)


def test_a_sibling_whose_condition_may_fail_takes_nobody_for_sure() -> None:
    found = problems(node("a", 'size(recommended) == 0 || recommended[0] != "x"'), node("b", "true"))
    assert not [one for one in found if one.severity == "error"]


def test_a_node_is_switched_off_by_false() -> None:
    [problem] = problems(node("a", "false", children=[node("b", "true")]))
    assert (problem.severity, problem.rule) == ("warning", "switched_off") and problem.says.endswith("below it: b")


def test_siblings_that_overlap_come_with_an_example_and_may_be_meant() -> None:
    a, b = node("a", "basket.total >= 20.0"), node("b", "basket.lines >= 2")
    [problem] = problems(a, b)
    assert (problem.severity, problem.rule) == ("warning", "overlap")
    shown = dict(part.split(" = ") for part in str(problem).split("`a` with ")[1].split(". If")[0].split(", "))
    assert float(shown["basket.total"]) >= 20.0 and int(shown["basket.lines"]) >= 2
    assert not problems(a, {**b, "gives_way_to": ["a"]})
    with pytest.raises(InvalidTree, match="gives_way_to: `b` is no node before this one under the same parent"):
        problems({**a, "gives_way_to": ["b"]}, b)


def test_money_needs_a_campaign_whose_budget_ends_it() -> None:
    text = {"en": "x", "fr": "x"}
    fixed = {**PROMOTION, "product": "favourite_missing.id", "generosity": 0.5}
    game = {"kind": "game", "name": "wheel", "prize": "play.prize", "text": text}
    shows = node("a", 'offer.campaign == "coffee"', show=[fixed, PROMOTION, game])
    assert [one.rule for one in problems(shows)] == ["no_budget"]
    found = problems(shows, campaigns={"tea": "promotion"})
    assert [one.rule for one in found] == ["no_budget", "no_campaign", "no_campaign"]
    assert "no promotion campaign `coffee`" in str(found[2]) and "there is tea" in str(found[2])
    assert "no campaign of kind game" in str(found[1])
    assert [one.rule for one in problems(shows, campaigns={"coffee": "promotion", "w": "game"})] == ["no_budget"]


def test_a_game_is_announced_and_not_over() -> None:
    game = {"kind": "game", "name": "wheel", "prize": "play.prize", "text": {"en": "x", "fr": "x"}}
    tree_of = copy.deepcopy(TREE)
    tree_of["root"]["children"] = [node("a", "basket.total > 2.0", show=[game])]
    tree, now = read_yaml(yaml.safe_dump(tree_of)), datetime(2026, 12, 1, tzinfo=UTC)
    assert not review(tree, None, None, now) and not review(tree, None, {"wheel": now + timedelta(seconds=1)}, now)
    for games, said in (
        ({}, "no game `wheel` is announced"),
        ({"wheel": now}, "the game `wheel` closed at 2026-12-01"),
    ):
        [problem] = review(tree, None, games, now)
        assert (problem.severity, problem.rule) == ("error", "no_game") and said in str(problem)


def test_the_examples_games_are_not_those_of_another(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules = (GAMES / "basket_back.yaml").read_text().replace('closes: "2026', 'closes: "2126')
    (tmp_path / "one.yaml").write_text(rules.replace("game: basket_back", "game: wheel_of_the_market"))
    (tmp_path / "house.yaml").write_text("country: FR")
    assert main(["check", str(EXAMPLE), "--games", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{EXAMPLE}:145:" in said and "no game `guess_the_basket` is announced" in said
    assert "no game `wheel_of_the_market`" not in said
    (tmp_path / "two.yaml").write_text(rules.replace("game: basket_back", "game: guess_the_basket"))
    assert main(["check", str(EXAMPLE), "--games", str(tmp_path)]) == 0
    assert main(["check", str(EXAMPLE), "--games", str(tmp_path / "house.yaml")]) == 2
    assert "a game cannot be read" in capsys.readouterr().err


@cache
def tried() -> list[tuple[int, Values]]:
    """Some moments near what FACTS name."""
    tree = copy.deepcopy(TREE)
    tree["root"]["children"] = [node("every_fact", " || ".join(f"({fact})" for fact in FACTS if "[0]" not in fact))]
    return list(islice(moments(read_yaml(yaml.safe_dump(tree))), 400))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(conditions, st.none() | conditions), min_size=2, max_size=4))
def test_nobody_ever_comes_where_nobody_can(rules: list[tuple[str, str | None]]) -> None:
    nodes = [node(f"n{number}", when, leave) for number, (when, leave) in enumerate(rules)]
    tree_of = copy.deepcopy(TREE)
    tree_of["root"]["children"] = [*nodes[:2], {**nodes[-1], "id": "parent", "children": nodes[2:]}]
    try:
        tree = read_yaml(yaml.safe_dump(tree_of))
    except InvalidTree:
        assume(False)
    conditions_alone = {p.path[:-1] for p in impossible_conditions(tree) if p.path[-1] == "when"}
    never = {name for name, place in tree.places.items() if place.document in conditions_alone}
    list(unreachable(tree, never))
    moment, stands = Moment(tree), tree.root
    for events, at in tried():
        moment.becomes(at)
        stands, _ = move(tree, tree.root if events == 1 else stands, moment)
        assert not never.intersection(tree.places[stands].path)


def test_the_example_is_as_its_writer_means_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", str(EXAMPLE), "--campaigns", str(CAMPAIGNS), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["problems"]
    assert {problem["rule"] for problem in found} <= {"no_budget"}
    assert all(EXAMPLE.read_text().splitlines()[one["line"] - 1].strip().startswith("prize:") for one in found)
    off = tmp_path / "off.yaml"
    off.write_text(EXAMPLE.read_text().replace("when: order.paid", 'when: "false"'))
    assert main(["check", str(off)]) == 0
    assert f"{off}:32:7: warning: node `order_paid`, when: `false` switches the node off" in capsys.readouterr().err
    assert main(["check", str(off), "--strict"]) == 1
    never = tmp_path / "never.yaml"
    never.write_text(EXAMPLE.read_text().replace("when: order.paid", "when: order.paid && !order.paid"))
    for command in (["check", str(never)], ["publish", str(never), "--retailer", "demo"]):
        assert main(command) == 1
        assert "error: node `order_paid`, when: `order.paid` and `!order.paid` never hold" in capsys.readouterr().err
    assert main(["check", str(EXAMPLE), "--campaigns", str(EXAMPLE)]) == 2
