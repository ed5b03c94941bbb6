"""An audience's conditions: the tree's language, over what scoring knows of a shopper before any offer is made. Pure.

Does not own the language (`layers.tree.expressions`), nor whom the other fields of an audience reach
(`layers.campaigns.audience`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import cel

from layers.tree.expressions import RUNTIME_ERRORS, Expression, InvalidExpression, compile_expression
from layers.tree.samples import sample_values

COLD = "shopper"
"""Whose members a condition may read: the rest changes with the basket and the page, which a tree asks about."""


def compiled(source: str) -> Expression:
    """Raises:
    InvalidExpression: see `faults`.
    """
    samples = [_context(values) for values in sample_values()]
    found = compile_expression(source, samples, "a condition")
    hot = [name for name in found.names if not name.startswith(f"{COLD}.")]
    if hot:
        raise InvalidExpression(
            f"`{hot[0]}` changes with every step of the shopper, and an audience is worked out once a night from "
            f"`{COLD}.*`; ask for it in the tree's `when` instead",
            hot[0],
        )
    return found


def faults(source: str) -> Iterator[str]:
    """What is wrong with a condition, at most one thing."""
    try:
        compiled(source)
    except InvalidExpression as error:
        yield str(error)


def holds(condition: Expression, shopper: dict[str, object]) -> bool:
    """One that fails for this shopper does not hold.

    Args:
        shopper: the members of `shopper`, as `layers.tree.variables` names them.
    """
    try:
        return condition(_context({COLD: shopper})) is True
    except RUNTIME_ERRORS:
        return False


def _context(values: Mapping[str, object]) -> cel.Context:
    context = cel.Context()
    for name, value in values.items():
        context.add_variable(name, value)
    return context
