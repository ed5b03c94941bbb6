"""The environment of a function, from its needs; the names are those that its composition root reads.

A secret never stands here as a value: it is a reference to a version in Secret Manager.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pulumi

from infra.configuration import Stack
from infra.declared import needs
from infra.retailer_secrets import Secret, Secrets, versions
from layers.declarations import (
    Access,
    Calls,
    DeadLetters,
    Documents,
    Function,
    HotTable,
    PublicRandomness,
    RetailerSecret,
    SealingKey,
    SigningKey,
    Topic,
    settings,
)
from layers.stores.tables import EVENTS

ASGI = {"FUNCTION_USE_ASGI": "true"}
"""All functions are asynchronous; without it functions-framework would run them under WSGI."""


@dataclass(frozen=True, slots=True)
class Made:
    """Full names of what exists, by the name a need says; addresses of services by function; all dead letters as the
    value that names them.
    """

    tables: Mapping[str, pulumi.Output[str]]
    topics: Mapping[str, pulumi.Output[str]]
    databases: Mapping[str, pulumi.Output[str]]
    keys: Mapping[str, pulumi.Output[str]]
    addresses: Mapping[str, pulumi.Output[str]]
    dead_letters: pulumi.Output[str]


def values(stack: Stack, function: Function, made: Made) -> dict[str, pulumi.Input[str]]:
    """The plain values by name."""
    found: dict[str, Any] = {**ASGI, settings.PROJECT: stack.project, settings.STACK: stack.name}
    found |= {settings.retailer(retailer.id): retailer.to_json() for retailer in stack.retailers}
    if any(need.name == EVENTS and need.access is Access.WRITE for need in needs(function, HotTable)):
        found[settings.RETIRED_DELAYS] = msgspec.json.encode(stack.retired_delays, order="sorted").decode()
    found |= {settings.hot_table(need.name): made.tables[need.name] for need in needs(function, HotTable)}
    found |= {settings.topic(need.name): made.topics[need.name] for need in needs(function, Topic)}
    if needs(function, DeadLetters):
        found[settings.DEAD_LETTERS] = made.dead_letters
    found |= {settings.documents(need.database): made.databases[need.database] for need in needs(function, Documents)}
    found |= {settings.signing_key(need.name): made.keys[need.name] for need in needs(function, SigningKey)}
    found |= {settings.sealing_key(need.name): made.keys[need.name] for need in needs(function, SealingKey)}
    if needs(function, PublicRandomness):
        found[settings.BEACON_RELAYS] = " ".join(stack.beacon_relays)
    found |= {settings.url(need.function): made.addresses[need.function] for need in needs(function, Calls)}
    return dict(sorted(found.items()))


def references(stack: Stack, function: Function, held: Secrets) -> dict[str, Secret]:
    """The secrets by the name of the value that will hold them."""
    found = {
        settings.secret(need.kind, retailer.id, version): held[need.kind, retailer.id, version]
        for need in needs(function, RetailerSecret)
        for retailer in stack.retailers
        for version in versions(need.kind, retailer)
    }
    return dict(sorted(found.items()))
