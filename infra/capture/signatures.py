"""Checks inputs against the provider's own signatures: names, what is required, types, listed values.

Pulumi's SDK refuses an unknown keyword and forgets the rest: a number given as text, a value of an enumeration that
does not exist, a nested dictionary with a typo, all fail only in the cloud. Read from the installed provider, so that
a new version of it is a new set of rules.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, ForwardRef, get_args, get_origin

import pulumi

_OPTIONAL_IN_MOCKS = frozenset({"__self__", "self"})
_LISTED = re.compile(r"Possible values are:\s*((?:\*?\s*`[^`]+`[,.]?\s*(?:and |or )?)+)")
_PLAIN: dict[type, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,)}


def _args_class(type_: str) -> Any:
    """The class of a resource type's arguments: `gcp:pubsub/topic:Topic` is `pulumi_gcp.pubsub.TopicArgs`."""
    package, path, name = type_.split(":")
    module = path.split("/")[0]
    full = f"pulumi_{package}" if module == "index" else f"pulumi_{package}.{module}"
    loaded = importlib.import_module(full)
    if hasattr(loaded, f"{name}Args"):
        return getattr(loaded, f"{name}Args")
    # A few classes' names differ from their tokens' (`IAMMember` and `IamMember`).
    for candidate in dir(loaded):
        if candidate.lower() == f"{name}args".lower():
            return getattr(loaded, candidate)
    raise LookupError(f"{full} has no {name}Args")


@cache
def _rules(cls: Any) -> dict[str, tuple[Any, bool, tuple[str, ...]]]:
    """(annotation, required, listed values) of each argument by its name on the wire."""
    wire = pulumi._types.input_type_py_to_pulumi_names(cls)
    documented = _listed(inspect.getdoc(cls.__init__) or "")
    found: dict[str, tuple[Any, bool, tuple[str, ...]]] = {}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name in _OPTIONAL_IN_MOCKS:
            continue
        required = parameter.default is inspect.Parameter.empty
        found[wire.get(name, name)] = (parameter.annotation, required, documented.get(name, ()))
    return found


def _listed(doc: str) -> dict[str, tuple[str, ...]]:
    """The values that a docstring lists for an argument."""
    found = {}
    for part in re.split(r":param ", doc)[1:]:
        head, _, text = part.partition(":")
        name = head.split()[-1] if head.split() else ""
        # The type before the name may hold colons and brackets; the name is the last word before `: `.
        if not name.isidentifier():
            match = re.match(r"(?:[^\n]*?\s)?(\w+): ", part)
            name = match[1] if match else ""
        if match := _LISTED.search(text):
            found[name] = tuple(re.findall(r"`([^`]+)`", match[1]))
    return found


def _alternatives(annotation: Any, cls: Any) -> list[Any]:
    """The plain types that an annotation allows, without Pulumi's wrappers."""
    if isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        module = inspect.getmodule(cls)
        try:
            resolved = eval(text, {**vars(typing), **vars(module), "pulumi": pulumi})
        except NameError:
            return []
        return _alternatives(resolved, cls)
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [each for part in get_args(annotation) for each in _alternatives(part, cls)]
    if origin is not None and getattr(origin, "__name__", "") in ("Awaitable", "Output"):
        return []
    if annotation in (type(None), pulumi.Output) or annotation is inspect.Parameter.empty:
        return []
    return [annotation]


def _check(value: Any, annotation: Any, cls: Any, path: str, listed: tuple[str, ...]) -> list[str]:
    if isinstance(value, dict) and set(value) in ({"secret"}, {"asset"}):
        return []
    allowed = _alternatives(annotation, cls)
    if not allowed:
        return []
    if listed and isinstance(value, str) and value not in listed:
        return [f"{path}: {value!r} is none of {', '.join(listed)}"]
    tried = [_one(value, each, cls, path) for each in allowed]
    return min(tried, key=len)


def _one(value: Any, kind: Any, cls: Any, path: str) -> list[str]:
    """Faults of a value, if it were of this type."""
    origin = get_origin(kind)
    if kind in _PLAIN:
        wrong = not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind is not bool)
        return [f"{path}: {type(value).__name__} where {kind.__name__} is wanted"] if wrong else []
    name = getattr(origin, "__name__", "")
    if name in ("Sequence", "list"):
        if not isinstance(value, list):
            return [f"{path}: {type(value).__name__} where a list is wanted"]
        inner = get_args(kind)[0]
        return [fault for i, each in enumerate(value) for fault in _check(each, inner, cls, f"{path}[{i}]", ())]
    if name in ("Mapping", "dict"):
        if not isinstance(value, Mapping):
            return [f"{path}: {type(value).__name__} where a mapping is wanted"]
        inner = get_args(kind)[1]
        return [fault for key, each in value.items() for fault in _check(each, inner, cls, f"{path}.{key}", ())]
    if inspect.isclass(kind) and kind.__name__.endswith("Args"):
        if not isinstance(value, Mapping):
            return [f"{path}: {type(value).__name__} where {kind.__name__} is wanted"]
        return _fields(kind, value, path)
    return []


def _fields(cls: Any, inputs: Mapping[str, Any], path: str) -> list[str]:
    rules = _rules(cls)
    at = f"{path}." if path else ""
    found = [f"{at}{name}: {cls.__name__} has no such argument" for name in inputs if name not in rules]
    for name, (annotation, required, listed) in rules.items():
        if inputs.get(name) is None:
            if required or name in inputs:
                found.append(f"{at}{name}: is required and has no value" if required else f"{at}{name}: has no value")
            continue
        found += _check(inputs[name], annotation, cls, f"{at}{name}", listed)
    return found


def faults(type_: str, inputs: Mapping[str, Any]) -> list[str]:
    """What the provider would refuse in a resource's inputs; each with its path."""
    return _fields(_args_class(type_), inputs, "")
