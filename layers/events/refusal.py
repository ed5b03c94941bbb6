"""What may be said of data that could not be read: which rule it breaks, and where. Never a word of the data itself.

msgspec quotes the sender in two messages, and the name of an undeclared field or a misspelt value may itself be an
e-mail address. Knows nothing of envelopes and records but the names of their fields.
"""

from __future__ import annotations

import re

import msgspec

from layers.events.model import EVENT_TYPES, ConsentMode, Kept, KeptLine, OrderLine, Purposes

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises. The last at some thousand brackets, which fit well into a body."""

_PLACE = r"(?:\[(?:\d{1,4}|\.\.\.)\])?"
_WHERE = re.compile(rf" - at `(\${_PLACE}(?:\.[A-Za-z_]+{_PLACE}){{0,4}})`\Z")
"""As narrow as paths are: whatever else stands there is the sender's, such as a number after a dot."""

_NAME = re.compile(r"[A-Za-z_]+")


def fields_of(*structs: type[msgspec.Struct]) -> frozenset[str]:
    """The names that a path into these may hold."""
    return frozenset(field.encode_name for struct in structs for field in msgspec.structs.fields(struct))


_OF_EVENTS = fields_of(*EVENT_TYPES, OrderLine, Kept, KeptLine, Purposes, ConsentMode) | {
    *("shopper", "session", "channel", "events", "event", "received", "type")
}


def describe(error: Exception, declared: frozenset[str] = _OF_EVENTS) -> tuple[str, str]:
    """One of `UNREADABLE` as (path, rule).

    Args:
        declared: every field's name of what was to be decoded; those of envelopes and records if nothing is said.
    """
    if isinstance(error, RecursionError):
        return "$", "nested too deeply"
    if not isinstance(error, msgspec.MsgspecError):
        return "$", "not UTF-8"
    text = str(error)
    found = _WHERE.search(text)
    path = found[1] if found else "$"
    if not declared.issuperset(_NAME.findall(path)):
        # A field named «x - at `$.jane» would put the sender's text where the path stands.
        path = "$"
    if text.startswith("Object contains unknown field"):
        return path, "a field that the schema does not declare; closed schemas keep personal data out"
    if text.startswith(("Invalid value ", "Invalid enum value ")):
        return path, "a value that the schema does not list"
    if text.startswith(("JSON is malformed", "Input data was truncated")):
        return path, "not valid JSON"
    return path, text[: found.start()] if found else text
