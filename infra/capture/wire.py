"""Pulumi's messages as plain data.

Read from the protobuf itself: the SDK's own reader turns whole numbers to floats and, where one value is a secret,
hides all its siblings too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the SDK sends where a value is not known before a deployment."""


class Unknown(ValueError):
    """A value that an input needs and nobody knows; holds its path."""


def plain(value: Value, path: str, sources: list[str], root: Path) -> Any:
    """A value as JSON data.

    Args:
        path: of the value, for errors. sources: URNs that the whole input depends on. root: of the repository.

    Raises:
        Unknown: an output that the mock does not give reached this input.
    """
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "string_value":
        if UNKNOWN in value.string_value:
            raise Unknown(path)
        return "." if value.string_value == str(root) else value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [plain(each, f"{path}[{i}]", sources, root) for i, each in enumerate(value.list_value.values)]
    if kind == "struct_value":
        return _struct(value.struct_value, path, sources, root)
    return None


def _struct(struct: Struct, path: str, sources: list[str], root: Path) -> Any:
    mark = struct.fields[_SIGNATURE].string_value if _SIGNATURE in struct.fields else ""
    if mark == _SECRET:
        return {"secret": sources[0] if sources else path}
    if mark == _ASSET:
        file = Path(struct.fields["path"].string_value)
        return {"asset": file.relative_to(root).as_posix() if file.is_relative_to(root) else file.as_posix()}
    if mark:
        raise Unknown(f"{path} (Pulumi's mark {mark}, which the capture does not read)")
    return {name: plain(each, f"{path}.{name}", sources, root) for name, each in sorted(struct.fields.items())}


def properties(struct: Struct, dependencies: dict[str, list[str]], root: Path) -> tuple[dict[str, Any], list[str]]:
    """A resource's inputs, and the paths of those that nobody knows.

    Args:
        dependencies: URNs that each input comes from.
    """
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in sorted(struct.fields.items()):
        if name.startswith("__"):
            continue
        try:
            found[name] = plain(value, name, sorted(dependencies.get(name, [])), root)
        except Unknown as error:
            unknown.append(str(error))
    return found, unknown


def hide(value: Value) -> Value:
    """The same value, marked as a secret, as the engine does with an output that is one."""
    hidden = Struct()
    hidden.fields[_SIGNATURE].string_value = _SECRET
    hidden.fields["value"].CopyFrom(value)
    return Value(struct_value=hidden)
