"""JSON in one form only, so that a signature is of the meaning and of the bytes at once. Pure.

A subset of RFC 8785 (JSON Canonicalization Scheme): names sorted by their UTF-16 units, no space, UTF-8, the shortest
escapes. There are no fractions, since their text is where implementations differ; integers stay within 53 bits, which
every reader of JSON keeps exactly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

_EXACT = 2**53 - 1
_DEEPEST = 100


class NotCanonical(ValueError):
    """The value has no canonical form, or the bytes are not it. Quotes nothing of them."""


def canonical(value: object) -> bytes:
    """The one text of this value: of text, whole numbers, booleans, None, lists and maps.

    Raises:
        NotCanonical: see there.
    """
    try:
        return json.dumps(_ordered(value, 0), ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise NotCanonical("a text holds half a character (a lone surrogate), which UTF-8 cannot write") from None


def read_canonical(data: bytes) -> Any:
    """The value of a canonical text.

    Raises:
        NotCanonical: it is no JSON, or the same value would be written otherwise.
    """
    try:
        value = json.loads(data.decode(), parse_float=_fraction, parse_constant=_fraction)
        again = canonical(value)
    except NotCanonical:
        raise
    except (ValueError, RecursionError):
        raise NotCanonical("it is no JSON in UTF-8") from None
    if again != data:
        raise NotCanonical("it is JSON, but not in canonical form: what was signed had other bytes")
    return value


def _ordered(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise NotCanonical(f"it is nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) > _EXACT:
            raise NotCanonical("a whole number is beyond 53 bits, which some readers would round")
        return value
    if isinstance(value, list | tuple):
        return [_ordered(each, depth + 1) for each in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _ordered(value[name], depth + 1) for name in names}
    raise NotCanonical(f"a {type(value).__name__} has no canonical form here")


def _fraction(_text: str) -> NoReturn:
    raise NotCanonical("it holds a number that is not whole")
