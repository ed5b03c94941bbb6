"""What is done with shoppers' data: one activity for each function that can read or write some. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infra.declared import is_public
from infra.register.data_map import Entry, Undeclared
from layers.declarations import Function, Http, RetailerBucket
from layers.declarations.lawfulness import LegalBasis


@dataclass(frozen=True, slots=True)
class Activity:
    """Attributes:
    stores: of personal data that it reads or writes. recipients: who gets something from it.
    """

    name: str
    purpose: str
    bases: tuple[LegalBasis, ...]
    stores: tuple[str, ...]
    recipients: str


def activities(functions: Iterable[Function], stores: Iterable[Entry]) -> tuple[Activity, ...]:
    """Raises:
    Undeclared: a function can read or write shoppers' data, and does not say on which basis.
    """
    personal = [entry for entry in stores if entry.personal]
    found = []
    for function in functions:
        used = tuple(entry.store for entry in personal if function.name in (*entry.readers, *entry.writers))
        if used and not function.bases:
            raise Undeclared(
                f"functions/{function.name}/function.py: it can use {used[0]}, where a shopper may stand, and does not "
                "say on which legal basis; add bases=(LegalBasis.…,)."
            )
        if used or _takes(function):
            found.append(Activity(function.name, function.purpose, function.bases, used, _recipients(function)))
    return tuple(found)


def _takes(function: Function) -> bool:
    return any(isinstance(need, RetailerBucket) for need in function.needs)


def _recipients(function: Function) -> str:
    if is_public(function):
        return "the shopper's own browser or app"
    if isinstance(function.trigger, Http):
        return f"the retailer's addresses listed under `{function.trigger.callers}`"
    return "nobody outside"
