"""What of a tree that works is surely, or probably, not what its writer meant: found before any shopper meets it. Pure.

Errors are proofs: a condition that can never hold, a node that nobody can ever enter, a game that nobody announced.
Warnings leave it to the writer: siblings that hold together, a node that is switched off, money that no campaign's
budget ends. Nothing here is asked when a published tree is read: it works either way.
"""

from __future__ import annotations

from datetime import UTC, datetime

from layers.tree.overlaps import overlapping
from layers.tree.paying import Campaigns, unpaid
from layers.tree.playing import Games, unplayable
from layers.tree.problem import Problem
from layers.tree.reaching import impossible_conditions, unreachable
from layers.tree.reading import document_of, located
from layers.tree.tree import Tree


def review(
    tree: Tree, campaigns: Campaigns | None = None, games: Games | None = None, now: datetime | None = None
) -> list[Problem]:
    """Takes about a second for a tree of 15 nodes.

    Args:
        campaigns, games: of the retailer; None where they are not known. now: by which a game is over, or is not.
    """
    found = list(impossible_conditions(tree))
    by_document = {(*place.document, "when"): name for name, place in tree.places.items()}
    never = {by_document[problem.path] for problem in found if problem.path in by_document}
    found += unreachable(tree, never)
    below = {name for name, place in tree.places.items() if never.intersection(place.path)}
    found += overlapping(tree, below)
    found += unpaid(tree, campaigns)
    found += unplayable(tree, games, now or datetime.now(UTC))
    return found


def reviewed(tree: Tree, text: str, campaigns: Campaigns | None = None, games: Games | None = None) -> list[Problem]:
    """The same, located in the text that `read_yaml` made the tree of."""
    return located(review(tree, campaigns, games), document_of(text)[1])
