"""Siblings whose conditions hold together: the one tried first takes the shopper, which may not be meant. Pure.

Found by trying (`trying`), at moments that can happen: each comes with an example. What is not found may still overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from layers.tree.problem import Problem
from layers.tree.tree import Place, Tree, about
from layers.tree.trying import moments
from layers.tree.variables import PRIVATE, value_of
from layers.tree.walk import Moment


def overlapping(tree: Tree, never: set[str]) -> Iterator[Problem]:
    """By trying, at moments that can happen: `when` holds, and so does that of a sibling tried before."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for events, later, earlier, example in _met_together(tree, never):
        known = found.setdefault(later, {}).setdefault(earlier, (events, example))
        if events < known[0]:
            found[later][earlier] = events, example
    for later, earlier_ones in found.items():
        first = next(iter(earlier_ones))
        names = ", ".join(f"`{name}`" for name in earlier_ones)
        says = (
            f"where {names} before it {'holds' if len(earlier_ones) == 1 else 'hold'} as well, the shopper goes there, "
            f"for example `{first}` with {earlier_ones[first][1]}. If that is meant, write "
            f"`gives_way_to: [{', '.join([*tree.places[later].node.gives_way_to, *earlier_ones])}]`; else move this "
            "node up, or make a `when` narrower"
        )
        yield about(tree.places[later], "when", says, rule="overlap", severity="warning")


def _met_together(tree: Tree, never: set[str]) -> Iterator[tuple[int, str, str, str]]:
    """(events so far, the later sibling, the earlier one, the values)."""
    moment = Moment(tree)
    families = [place for place in tree.places.values() if len(place.children) > 1]
    for events, values in moments(tree):
        moment.becomes(values)
        for parent in families:
            if any(moment.holds(tree.places[name].leave, name, []) for name in parent.path):
                continue
            entered = [name for name in parent.children if name not in never and _enters(tree.places[name], moment)]
            for earlier, later in combinations(entered, 2):
                if earlier not in tree.places[later].node.gives_way_to:
                    yield events, later, earlier, _example(tree.places[earlier], tree.places[later], moment)


def _enters(place: Place, moment: Moment) -> bool:
    return moment.holds(place.when, place.node.id, []) and not moment.holds(place.leave, place.node.id, [])


def _example(one: Place, other: Place, moment: Moment) -> str:
    assert one.when is not None and other.when is not None
    names = sorted({*one.when.names, *other.when.names} - PRIVATE) or ["event.type"]
    return ", ".join(f"{name} = {value_of(moment.values, name)!r}" for name in names)
