"""Whether conditions can hold together: a proof that they cannot, or no answer. Pure.

Sound and incomplete. It reads `&&`, `||`, `!`, `?:`, a variable compared with a number or with texts, closed lists of
values, the range of each variable, and two equal expressions compared in different ways. Everything else is taken for
possible: so what it calls impossible is, and what it does not may still be.

Evaluating CEL can fail, which counts as not holding. That a condition holds therefore tells more than that it does
not: only a condition that cannot fail (`total`) may be used negated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from layers.tree.expressions import blanked, enclosed, names_in, split
from layers.tree.variables import VARIABLES

_OPERATOR = re.compile(r"<=|>=|==|!=|<|>")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_TEXT = re.compile(r'"([^"\\]*)"|\'([^\'\\]*)\'')
_SUM = re.compile(r"(?:[a-z_]+(?:\.[a-z_]+)?|\d{1,9}(?:\.\d{1,9})?|[-+*() ])+")
_ORDERS = {"<": "<", "<=": "<=", "==": "=", "!=": "<>", ">=": "=>", ">": ">"}
"""Which orders of the left side to the right one an operator allows."""

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_BY_NAME = {variable.name: variable for variable in VARIABLES}
_MOST_STEPS = 20_000
"""About 0.2 s; beyond it there is no answer."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A comparison that holds, or does not.

    Attributes:
        subject: a variable, two sides that are compared, or an expression that is not looked into.
        operator: one of CEL's; `in` a set of texts; `is` for true.
        total: evaluating it cannot fail.
    """

    subject: str
    operator: str
    value: float | frozenset[str] | None = None
    total: bool = True
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Joined:
    """All of `parts`, or any of them; none: true, or false."""

    every: bool
    parts: tuple[Formula, ...]


Formula = Fact | Joined

ALWAYS, NEVER = Joined(True, ()), Joined(False, ())


@cache
def read(source: str) -> Formula:
    """Of a condition that `compile_expression` took."""
    source = source.strip()
    if enclosed(source):
        return read(source[1:-1])
    parts = split(source, ("?", ":"))
    if len(parts) == 3:
        test, then, otherwise = map(read, parts)
        return _any(_all(test, then), _all(negated(test), otherwise))
    if len(parts) > 1:
        return Fact(source, "is", total=False)
    for mark, join in (("||", _any), ("&&", _all)):
        parts = split(source, (mark,))
        if len(parts) > 1:
            return join(*map(read, parts))
    if source in ("true", "false"):
        return ALWAYS if source == "true" else NEVER
    inner = source[1:].strip()
    if source.startswith("!") and (enclosed(inner) or _is_one(inner)):
        return negated(read(inner))
    return _fact(source)


def _fact(source: str) -> Formula:
    if source in _BY_NAME:
        return Fact(source, "is")
    plain = blanked(source)
    operators = [found for found in _OPERATOR.finditer(plain) if _depth(plain, found.start()) == 0]
    if len(operators) == 1:
        operator = operators[0]
        left, right = source[: operator.start()].strip(), source[operator.end() :].strip()
        return (
            _comparison(left, operator[0], right)
            or _comparison(right, _TURNED[operator[0]], left)
            or _pair(left, operator[0], right)
        )
    sides = split(source, (" in ",))
    if len(sides) == 2 and sides[0] in _BY_NAME and sides[1].startswith("[") and sides[1].endswith("]"):
        texts = [_TEXT.fullmatch(item) for item in split(sides[1][1:-1], (",",))]
        if all(texts):
            return Fact(sides[0], "in", frozenset(found[1] or found[2] or "" for found in texts if found))
    return Fact(" ".join(source.split()), "is", total=False)


def _is_one(source: str) -> bool:
    """A name, or calls and indices on one: nothing that `!` binds closer than."""
    plain = blanked(source)
    return all(_depth(plain, at) or sign in ".()[]_" or sign.isalnum() for at, sign in enumerate(plain))


def _depth(plain: str, at: int) -> int:
    return sum((sign in "([{") - (sign in ")]}") for sign in plain[:at])


def _comparison(name: str, operator: str, value: str) -> Fact | None:
    """A variable with a literal."""
    variable = _BY_NAME.get(name)
    if variable is None:
        return None
    if _NUMBER.fullmatch(value) and variable.type in ("int", "double"):
        return Fact(name, operator, float(value))
    text = _TEXT.fullmatch(value)
    if text and operator in ("==", "!=") and variable.type == "string":
        return Fact(name, "in", frozenset({text[1] or text[2] or ""}), positive=operator == "==")
    if value in ("true", "false") and operator in ("==", "!=") and variable.type == "bool":
        return Fact(name, "is", positive=(operator == "==") == (value == "true"))
    return None


def _pair(left: str, operator: str, right: str) -> Fact:
    """Two sides that are not looked into. Sums and products of amounts can always be compared; quotients need not."""
    total = all(_SUM.fullmatch(side) and _known(side) for side in (left, right))
    left, right = "".join(left.split()), "".join(right.split())
    if right < left:
        left, right, operator = right, left, _TURNED[operator]
    return Fact(f"{left} ? {right}", operator, total=total)


def _known(side: str) -> bool:
    return all(_BY_NAME[name].type in ("int", "double", "string") for name in names_in(side))


def _all(*parts: Formula) -> Formula:
    return Joined(True, parts)


def _any(*parts: Formula) -> Formula:
    return Joined(False, parts)


def negated(formula: Formula) -> Formula:
    """That evaluating it gives false. That it does not hold is more, where it can fail: see `fails_never`."""
    if isinstance(formula, Fact):
        return Fact(formula.subject, formula.operator, formula.value, formula.total, not formula.positive)
    return Joined(not formula.every, tuple(map(negated, formula.parts)))


def fails_never(formula: Formula) -> bool:
    if isinstance(formula, Fact):
        return formula.total
    return all(map(fails_never, formula.parts))


def without(formula: Formula) -> Formula:
    """What follows from its not holding; nothing, where that may be because it failed."""
    return negated(formula) if fails_never(formula) else ALWAYS


class _TooLong(Exception):
    pass


def impossible(formulas: Iterable[Formula]) -> bool:
    """Whether they surely never hold together. False where that is not known."""
    left = [_MOST_STEPS]
    try:
        return not _search(list(formulas), {}, left)
    except _TooLong:
        return False


def core(formulas: Sequence[Formula]) -> list[int]:
    """Of formulas impossible together: indices of some that are so already, none of which can be spared."""
    kept = list(range(len(formulas)))
    for index in reversed(range(len(formulas))):
        rest = [other for other in kept if other != index]
        if impossible(formulas[other] for other in rest):
            kept = rest
    return kept


def _search(todo: list[Formula], known: dict[str, list[Fact]], left: list[int]) -> bool:
    """Whether some choice among the alternatives contradicts nothing."""
    known = dict(known)
    alternatives: list[Joined] = []
    while todo:
        left[0] -= 1
        if left[0] < 0:
            raise _TooLong
        formula = todo.pop()
        if isinstance(formula, Fact):
            facts = [*known.get(formula.subject, ()), formula]
            if not _possible(formula.subject, facts):
                return False
            known[formula.subject] = facts
        elif formula.every:
            todo.extend(formula.parts)
        else:
            alternatives.append(formula)
    if not alternatives:
        return True
    alternatives.sort(key=lambda joined: len(joined.parts))
    first, *rest = alternatives
    return any(_search([part, *rest], known, left) for part in first.parts)


def _possible(subject: str, facts: Sequence[Fact]) -> bool:
    """Whether some value of the subject agrees with all of these facts about it."""
    variable = _BY_NAME.get(subject)
    if variable is not None and variable.type in ("int", "double"):
        return _some_number(facts, variable.least, variable.most, whole=variable.type == "int")
    if variable is not None and variable.type == "string":
        return _some_text(facts, variable.allowed)
    if " ? " in subject and facts[0].operator != "is":
        orders = set("<=>")
        for fact in facts:
            allowed = set(_ORDERS[fact.operator])
            orders &= allowed if fact.positive else set("<=>") - allowed
        return bool(orders)
    return len({fact.positive for fact in facts}) == 1


def _some_text(facts: Sequence[Fact], allowed: Sequence[str]) -> bool:
    possible = set(allowed) if allowed else None
    refused: set[str] = set()
    for fact in facts:
        assert isinstance(fact.value, frozenset)
        if fact.positive:
            possible = set(fact.value) if possible is None else possible & fact.value
        else:
            refused |= fact.value
    return possible is None or bool(possible - refused)


def _some_number(facts: Sequence[Fact], least: float, most: float, *, whole: bool) -> bool:
    """Tried where it can turn: at each number named, between two neighbours, and beyond the outermost."""
    named = sorted({least, *([most] if most < float("inf") else []), *(_number(fact) for fact in facts)})
    tried = [*named, *((a + b) / 2 for a, b in pairwise(named)), named[0] - 1, named[-1] + 1]
    if whole:
        tried = [near for value in tried for near in (value // 1, value // 1 + 1)]
    return any(least <= value <= most and all(_agrees(value, fact) for fact in facts) for value in tried)


def _number(fact: Fact) -> float:
    assert isinstance(fact.value, float)
    return fact.value


def _agrees(value: float, fact: Fact) -> bool:
    than = _number(fact)
    order = "<" if value < than else "=" if value == than else ">"
    return (order in _ORDERS[fact.operator]) == fact.positive
