"""CEL expressions: compiled once, checked before a shopper meets them.

CEL has no static checker here, so checking is done in three ways: names are compared with the table of variables;
every operand of `&&`, `||` and `?:` is evaluated by itself (a short circuit would hide its error) and the whole too, on
sample shoppers; and values compared with `==` must be of one type, and be a value that the variable can have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

import cel

from layers.tree.variables import VARIABLES

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,")
_WORD = re.compile(r"[A-Za-z_]\w*")
_COMPARED = re.compile(r"(==|!=|\bin\b)")

_ROOTS: Mapping[str, frozenset[str]] = {
    root: frozenset(v.name.partition(".")[2] for v in VARIABLES if v.name.split(".")[0] == root)
    for root in {v.name.split(".")[0] for v in VARIABLES}
}
_ALLOWED = {v.name: v.allowed for v in VARIABLES if v.allowed}

RUNTIME_ERRORS = (TypeError, KeyError, IndexError, ZeroDivisionError, RuntimeError, ValueError, OverflowError)
"""What `Program.execute` raises for a fault of the expression."""


class InvalidExpression(ValueError):
    """The message says what is wrong and what to write instead.

    Attributes:
        at: the words that are wrong, as they stand in the expression; empty for all of it.
    """

    def __init__(self, says: str, at: str = "") -> None:
        super().__init__(says)
        self.at = at


@dataclass(frozen=True, slots=True)
class Expression:
    """Attributes:
    names: the variables it reads, e.g. `basket.total`. roots: their first names, and what else looks like one.
    variable: its only content, where it is nothing but a variable's name.
    """

    source: str
    program: cel.Program
    names: tuple[str, ...]
    roots: tuple[str, ...]
    variable: str | None

    def __call__(self, context: cel.Context) -> object:
        return self.program.execute(context)


def blanked(source: str) -> str:
    """The source with the inside of its strings as spaces, so that positions stay and nothing in them is syntax."""
    return _STRING.sub(lambda found: '"' + " " * (len(found[0]) - 2) + '"', source)


def _close(name: str, among: Sequence[str]) -> str:
    close = get_close_matches(name, among, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; there is {', '.join(sorted(among))}"


def names_in(source: str) -> tuple[str, ...]:
    """The variables that an expression reads.

    Raises:
        InvalidExpression: a name that is no variable.
    """
    plain = blanked(source)
    bound = set(_BOUND.findall(plain))
    names: set[str] = set()
    for found in re.finditer(r"(?<![\w.])([A-Za-z_]\w*)\b(?:\s*\.\s*([A-Za-z_]\w*))?\s*(\()?", plain):
        root, member, called = found.groups()
        if root in bound or root in {"true", "false", "null", "in"} or (called and not member):
            continue
        if root not in _ROOTS:
            if called:
                continue  # A method of a literal or of a type; the evaluation tells whether it exists.
            written = f"{root}.{member}" if member else root
            raise InvalidExpression(
                f"`{written}` is no variable{_close(written, [v.name for v in VARIABLES])}", written
            )
        if _ROOTS[root] == {""}:
            names.add(root)
        elif not member:
            raise InvalidExpression(f"`{root}` alone is no value: write `{root}.` and one of {_listed(root)}", root)
        elif member not in _ROOTS[root]:
            raise InvalidExpression(
                f"`{root}.{member}` is no variable{_close(f'{root}.{member}', [f'{root}.{m}' for m in _ROOTS[root]])}",
                f"{root}.{member}",
            )
        else:
            names.add(f"{root}.{member}")
    return tuple(sorted(names))


def _listed(root: str) -> str:
    return ", ".join(sorted(_ROOTS[root]))


def split(source: str, marks: Sequence[str]) -> list[str]:
    """Splits outside brackets and strings at any of `marks`."""
    plain, parts, depth, start, at = blanked(source), [], 0, 0, 0
    while at < len(plain):
        depth += (plain[at] in "([{") - (plain[at] in ")]}")
        mark = next((m for m in marks if depth == 0 and plain.startswith(m, at)), None)
        if mark:
            parts.append(source[start:at])
            start = at = at + len(mark)
        else:
            at += 1
    return [part.strip() for part in [*parts, source[start:]] if part.strip()]


def enclosed(source: str) -> bool:
    """Whether one pair of brackets holds all of it: `(a)` but not `(a) + (b)`."""
    if not (source.startswith("(") and source.endswith(")")):
        return False
    depth = 0
    for at, sign in enumerate(blanked(source)):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return at == len(source) - 1
    return False


def operands(source: str) -> Iterator[str]:
    """What `&&`, `||`, `?:`, `!` and outer brackets join, down to what they do not."""
    source = source.strip()
    parts = split(source, ("&&", "||", "?", ":"))
    if len(parts) > 1:
        for part in parts:
            yield from operands(part)
    elif source.startswith("!") and not source.startswith("!="):
        yield from operands(source[1:])
    elif enclosed(source):
        yield from operands(source[1:-1])
    else:
        yield source


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    named: dict[type, str] = {str: "a text", list: "a list", dict: "a map"}
    return named.get(type(value), type(value).__name__)


def _check_compared(operand: str, samples: Sequence[cel.Context]) -> None:
    """`page.kind == 3` and `page.kind == "chekout"` are legal and never true: CEL would not say so."""
    sides = split(operand, ("==", "!="))
    through_in = split(operand, (" in ",)) if len(sides) == 1 else []
    if len(through_in) == 2:
        left, right = through_in
        found = cel.compile(right).execute(samples[0])
        offered = found if isinstance(found, list) and not names_in(right) else []
    elif len(sides) == 2:
        left, right = sides if sides[0] in _ALLOWED else sides[::-1]
        offered = [] if names_in(right) else [cel.compile(right).execute(samples[0])]
        first, second = (cel.compile(side).execute(samples[-1]) for side in (left, right))
        if _kind(first) != _kind(second):
            raise InvalidExpression(
                f"`{operand}` compares {_kind(first)} with {_kind(second)}, so it never changes", operand
            )
    else:
        return
    for value in offered if left in _ALLOWED else []:
        if value not in _ALLOWED[left]:
            raise InvalidExpression(f"`{left}` is never {value!r}{_close(str(value), _ALLOWED[left])}", operand)


def _told(error: Exception) -> str:
    """CEL's own error with a remedy."""
    text = str(error).split("\n")[0].split(". ")[0]
    if isinstance(error, TypeError) and ("float" in text or "int" in text):
        return f"{text}; write 2.0 rather than 2 beside an amount, or double(…) around a count"
    if "No such overload" in text:
        return "an operation on values that it is not for; see the types of the variables (`check` prints them)"
    return text


def _check_alone(operand: str, samples: Sequence[cel.Context]) -> None:
    """Evaluates one operand without its neighbours. One that indexes or divides may rely on them, so it need only work
    for some sample: the whole expression decides then."""
    guarded = any(sign in blanked(operand) for sign in "[/%")
    errors: list[Exception] = []
    for context in samples:
        try:
            cel.compile(operand).execute(context)
        except RUNTIME_ERRORS as error:
            errors.append(error)
    if len(errors) == len(samples) or (errors and not guarded):
        raise InvalidExpression(f"`{operand}`: {_told(errors[0])}", operand) from None
    if _COMPARED.search(blanked(operand)):
        with suppress(IndexError, ZeroDivisionError):
            _check_compared(operand, samples)


def compile_expression(source: str, samples: Sequence[cel.Context], result: str) -> Expression:
    """Compiles and checks.

    Args:
        samples: of a shopper nobody knows and of shoppers about whom everything is known.
        result: `a condition`, `a text`, `a number` or `a list`: what it must give.

    Raises:
        InvalidExpression: it can never work, or it fails for one of the samples.
    """
    try:
        program = cel.compile(source)
    except (ValueError, RuntimeError) as error:
        where = re.search(r"<input>:1:(\d+): (.*)", str(error))
        place = f"at character {where[1]}: {where[2][:120]}" if where else "it is no CEL expression"
        raise InvalidExpression(f"`{source}` cannot be read {place}; see layers/tree/README.md for examples") from None
    names = names_in(source)
    for operand in operands(source):
        _check_alone(operand, samples)
    wanted = "true or false" if result == "a condition" else result
    for context in samples:
        try:
            value = program.execute(context)
        except RUNTIME_ERRORS as error:
            raise InvalidExpression(f"`{source}` fails for some shoppers: {_told(error)}") from None
        if _kind(value) != wanted:
            raise InvalidExpression(f"`{source}` gives {_kind(value)}, but here belongs {wanted}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise InvalidExpression(f"`{source}` gives a list of other things than product ids")
    roots = tuple(sorted(_ROOTS.keys() & _WORD.findall(blanked(source))))
    return Expression(source, program, names, roots, source if names == (source,) else None)
