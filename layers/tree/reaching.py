"""Conditions that can never hold, and nodes that nobody can ever enter: proofs, never guesses (see `logic`). Pure.

A node is entered where its `when` holds and its `leave` does not, where no sibling tried before it is entered, and
where no `leave` above it holds: those above would have been left first.
"""

from __future__ import annotations

from collections.abc import Iterator

from layers.tree.expressions import Expression, split
from layers.tree.logic import NEVER, Formula, Joined, core, impossible, read, without
from layers.tree.problem import Problem
from layers.tree.tree import Place, Tree, about


def _below(tree: Tree, place: Place) -> str:
    below = [name for name, other in tree.places.items() if place.node.id in other.path[:-1]]
    return f"; nor does anybody come to what is below it: {', '.join(below)}" if below else ""


def _formula(expression: Expression | None) -> Formula:
    return read(expression.source) if expression else NEVER


def impossible_conditions(tree: Tree) -> Iterator[Problem]:
    for place in tree.places.values():
        if place.when is not None and read(place.when.source) == NEVER:
            says = "`false` switches the node off: nobody comes here" + _below(tree, place)
            yield about(place, "when", says, rule="switched_off", severity="warning")
        elif place.when is not None and impossible([_formula(place.when)]):
            says = f"{_contradiction(place.when)}, so nobody ever comes here{_below(tree, place)}"
            yield about(place, "when", says, rule="never_holds")
        if place.leave is not None and impossible([_formula(place.leave)]):
            says = f"{_contradiction(place.leave)}, so nobody ever leaves; correct it or remove `leave`"
            yield about(place, "leave", says, rule="never_holds")


def _contradiction(expression: Expression) -> str:
    """The parts of a condition that exclude each other, as they are written."""
    parts = split(expression.source, ("&&",)) if len(split(expression.source, ("||", "?"))) == 1 else []
    formulas = [read(part) for part in parts]
    if len(parts) > 1:
        kept = [parts[index] for index in core(formulas)]
        if len(kept) == 1:
            return f"`{kept[0]}` can never hold"
        return f"{' and '.join(f'`{part}`' for part in kept)} never hold together"
    return "this can never hold: whatever the values are, its parts exclude each other or their variable's range"


def unreachable(tree: Tree, never: set[str]) -> Iterator[Problem]:
    """Args:
    never: nodes whose `when` can never hold, whose problem is told already; what is found here is added.
    """
    for place in tree.places.values():
        if place.when is None or never.intersection(place.path):
            continue
        says = _why_unreachable(tree, place)
        if says:
            never.add(place.node.id)
            yield about(place, "when", says + _below(tree, place), rule="unreachable")


def _why_unreachable(tree: Tree, place: Place) -> str:
    """Why nobody can ever enter a node whose `when` can hold; empty if that is not known."""
    parent = tree.places[place.path[-2]]
    before = [tree.places[name] for name in parent.children[: parent.children.index(place.node.id)]]
    labelled: list[tuple[str, Formula]] = [("", _formula(place.when))]
    if place.leave is not None:
        says = "its own `leave` holds as well, and a node that would be left is not entered"
        labelled.append((says, without(_formula(place.leave))))
    for name in place.path[1:-1]:
        says = f"the `leave` of `{name}` above it holds as well"
        labelled.append((says, without(_formula(tree.places[name].leave))))
    for sibling in before:
        says = f"`{sibling.node.id}`, which is tried before it, takes the shopper"
        stays = Joined(False, (without(_formula(sibling.when)), _formula(sibling.leave)))
        labelled.append((says, stays))
    formulas = [formula for _, formula in labelled]
    if not impossible(formulas):
        return ""
    reasons = [labelled[index][0] for index in core(formulas) if labelled[index][0]]
    return f"nobody ever comes here: whenever it holds, {'; or '.join(reasons)}. Correct it, or change the order"
