"""What may be said of data that could not be read: which rule it breaks, and where. Never a word of the data itself.

msgspec quotes the sender in two messages, and the name of an undeclared field or a misspelt value may itself be an
e-mail address. Knows nothing of envelopes and records but the names of their fields.
"""

from __future__ import annotations

import re

import msgspec

from layers.events.model import EVENT_TYPES, OrderLine, Purposes

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises. The last at some thousand brackets, which fit well into a body."""

_WHERE = re.compile(r" - at `(\$[^`]*)`\Z")
_NAME = re.compile(r"[A-Za-z_]+")
_STRUCTS: tuple[type[msgspec.Struct], ...] = (*EVENT_TYPES, OrderLine, Purposes)
_DECLARED = {"shopper", "session", "channel", "events", "event", "received", "type"} | {
    field.encode_name for struct in _STRUCTS for field in msgspec.structs.fields(struct)
}


def describe(error: Exception) -> tuple[str, str]:
    """One of `UNREADABLE` as (path, rule)."""
    if isinstance(error, RecursionError):
        return "$", "nested too deeply"
    if not isinstance(error, msgspec.MsgspecError):
        return "$", "not UTF-8"
    text = str(error)
    found = _WHERE.search(text)
    path = found[1] if found else "$"
    if not _DECLARED.issuperset(_NAME.findall(path)):
        # A field named «x - at `$.jane» would put the sender's text where the path stands.
        path = "$"
    if text.startswith("Object contains unknown field"):
        return path, "a field that the schema does not declare; closed schemas keep personal data out"
    if text.startswith(("Invalid value ", "Invalid enum value ")):
        return path, "a value that the schema does not list"
    if text.startswith(("JSON is malformed", "Input data was truncated")):
        return path, "not valid JSON"
    return path, text[: found.start()] if found else text
