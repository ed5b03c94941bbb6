"""Experiences of a game that nobody announced, or that is over: the page would promise a ticket that no order is. Pure.

Does not own games (`layers.game`): it is told of each its id, and when it closes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from layers.tree.model import Game
from layers.tree.problem import Problem
from layers.tree.tree import Tree, about

Games = Mapping[str, datetime]
"""When each game closes, by its id. Whoever is in it has prizes: rules without any are no game."""


def unplayable(tree: Tree, games: Games | None, now: datetime) -> Iterator[Problem]:
    """Args:
    games: that are announced, or will be before the tree is shown; None where they are not known.
    """
    if games is None:
        return
    for place in tree.places.values():
        if not place.node.show:
            continue
        for number, shown in enumerate(place.show):
            if not isinstance(shown.definition, Game):
                continue
            name, where = shown.definition.name, f"show {number + 1} (game), name"
            if name not in games:
                known = ", ".join(sorted(games)) or "none"
                says = f"no game `{name}` is announced, so no order is its ticket; announce it, or name one of {known}"
            elif games[name] <= now:
                says = f"the game `{name}` closed at {games[name].isoformat()}, so no order is its ticket any more"
            else:
                continue
            yield about(place, where, says, rule="no_game", path=("show", number, "name"))
