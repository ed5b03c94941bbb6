"""Moves a shopper in the tree: leave first, then forward, each step with its reason.

Pure: the values of the variables say all there is to know about the moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import cel
import msgspec

from layers.tree.expressions import RUNTIME_ERRORS, Expression
from layers.tree.tree import Place, Tree
from layers.tree.variables import PRIVATE, Values, value_of

_LONGEST = 10
"""Items of a list that a reason quotes."""

Rule = Literal["when", "leave", "stays", "starts", "refused", "failed"]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One condition that held, or why none was asked.

    Attributes:
        node: whose condition it is.
        rule: `when` or `leave` held; `stays`: none held; `starts`: a new journey begins at the root;
            `refused`: no consent, so nothing was evaluated; `failed`: the expression could not be evaluated, which
            counts as not holding.
        values: of the variables it reads, a shopper's own words left out.
    """

    node: str
    rule: Rule
    condition: str = ""
    values: dict[str, object] = {}


class Moment:
    """The values of one moment, ready for CEL.

    Converting values for CEL costs far more than evaluating with them. So one `cel.Context` serves a whole fold and
    gets a variable only when an expression first reads it at this moment, and it changed since; an expression that is
    nothing but a variable needs no CEL. Against converting all at once: 41 us an event instead of 61 (in a fold of 40),
    21 us a page instead of 69.
    """

    __slots__ = ("_asked", "_context", "_held", "_members", "values")

    def __init__(self, tree: Tree) -> None:
        self._members = tree.members
        self._context = cel.Context()
        self._held: Values = {}
        self._asked: set[str] = set()
        self.values: Values = {}

    def becomes(self, values: Values) -> None:
        self.values = values
        self._asked.clear()

    def __call__(self, expression: Expression) -> object:
        """Raises one of RUNTIME_ERRORS."""
        if expression.variable is not None:
            return value_of(self.values, expression.variable)
        for root in expression.roots:
            if root not in self._asked:
                self._asked.add(root)
                self._hold(root)
        return expression(self._context)

    def _hold(self, root: str) -> None:
        members = self._members.get(root)
        if members is None:
            return
        value = self.values[root]
        if isinstance(value, dict):
            value = {member: value[member] for member in members}
        if root not in self._held or self._held[root] != value:
            self._context.add_variable(root, value)
            self._held[root] = value

    def holds(self, expression: Expression | None, node: str, failed: list[Reason]) -> bool:
        """Whether a condition holds. One that fails for this shopper (an index out of a list) does not, and says so."""
        if expression is None:
            return False
        try:
            return self(expression) is True
        except RUNTIME_ERRORS:
            reason = self.reason(node, "failed", expression)
            if reason not in failed:
                failed.append(reason)
            return False

    def reason(self, node: str, rule: Rule, expression: Expression) -> Reason:
        return Reason(node, rule, expression.source, {name: self._quoted(name) for name in expression.names})

    def _quoted(self, name: str) -> object:
        value = value_of(self.values, name)
        if name in PRIVATE:
            return f"({len(str(value))} characters)"
        if isinstance(value, list) and len(value) > _LONGEST:
            return [*value[:_LONGEST], f"(and {len(value) - _LONGEST} more)"]
        return value


def _entered(tree: Tree, moment: Moment, children: Iterable[str], failed: list[Reason]) -> Place | None:
    """The first child whose `when` holds. One whose `leave` holds as well would be left at the next event: not entered,
    so a node just left is not entered again at the same event either."""
    for child in children:
        place = tree.places[child]
        if moment.holds(place.when, child, failed) and not moment.holds(place.leave, child, failed):
            return place
    return None


def move(tree: Tree, node: str, moment: Moment) -> tuple[str, list[Reason]]:
    """From `node` to where the shopper stands after this event.

    The topmost node on the shopper's path whose `leave` holds is left, with all below it; then the first child that may
    be entered is, and again from there. A move goes at most from a leaf to the root and down again.
    """
    reasons: list[Reason] = []
    failed: list[Reason] = []
    for above in tree.places[node].path:
        place = tree.places[above]
        if moment.holds(place.leave, above, failed):
            assert place.leave is not None
            reasons.append(moment.reason(above, "leave", place.leave))
            node = place.path[-2]
            break
    while (place_or_none := _entered(tree, moment, tree.places[node].children, failed)) is not None:
        node = place_or_none.node.id
        assert place_or_none.when is not None
        reasons.append(moment.reason(node, "when", place_or_none.when))
    return node, (reasons or [Reason(node, "stays")]) + failed
