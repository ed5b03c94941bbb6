"""The program: reads the declarations and the stack, and makes everything, in the order in which it depends.

Owns who is joined to whom; each module it calls owns one kind of resource.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi

from infra import (
    alerts,
    archives,
    configuration,
    declared,
    environment,
    measures,
    messaging,
    retailer_secrets,
    schedules,
    services,
    signing_keys,
)
from infra.apis import Apis
from infra.configuration import InvalidConfiguration, Stack
from infra.declared import needs
from infra.identities import identities
from infra.images import build, images
from infra.request_logs import request_logs
from infra.stores import bigquery, bigtable, firestore
from layers.declarations import Calls, Function, Http, Schedule
from layers.stores.tables import hot_tables


def provision(root: Path) -> None:
    """Makes every resource of the stack that Pulumi runs.

    Raises:
        InvalidConfiguration, InvalidDeclaration, CannotBuild: before the first resource, with the remedy.
    """
    stack = configuration.read(pulumi.get_stack(), _value)
    for warning in configuration.warnings(stack):
        pulumi.log.warn(warning)
    tables = hot_tables(stack.retailers, stack.retired_delays)
    functions = declared.check(declared.find(root), [spec.name for spec in tables])
    built = {function.name: archives.build(root, function.name) for function in functions}

    on = Apis(stack)
    who = identities(stack, on, functions)
    hot = bigtable.bigtable(stack, on, tables)
    cold = bigquery.bigquery(stack, on)
    databases = firestore.firestore(stack, on)
    firestore.expiry(stack, on, databases)
    held = retailer_secrets.secrets(stack, on)
    keys = signing_keys.signing_keys(stack, on, functions)
    topics = messaging.topics(stack, on, functions)
    dead = messaging.dead_letters(stack, on, functions)
    for name, each in dead.items():
        alerts.dead_letter(stack, on, name, each.kept)
    stored = images(stack, on, who.builds)

    addresses: dict[str, pulumi.Output[str]] = {}
    made: dict[str, Any] = {}
    for function in functions:
        member = who.runs[function.name].member
        grants = [
            *bigtable.grants(stack, on, hot, function, member),
            *bigquery.grants(stack, on, cold, function, member),
            *firestore.grants(stack, on, databases, function, member),
            *retailer_secrets.grants(stack, on, held, function, member),
            *signing_keys.grants(on, keys, function, member),
            *messaging.publishers(stack, on, topics, function, member),
            *messaging.sweepers(stack, on, dead, function, member),
        ]
        archive = services.archive_object(on, stored.bucket, built[function.name])
        known = environment.Made(
            tables=hot.names,
            topics={name: topic.id for name, topic in topics.items()},
            databases={name: database.id for name, database in databases.items()},
            keys={name: signing_keys.used(name, key, functions) for name, key in keys.items()},
            addresses=addresses,
            dead_letters=messaging.named(dead),
        )
        image = f"{stored.address}/{function.service}:{built[function.name].tag}"
        building = build(stack, on, root, function, archive, image, who.builds, stored.grants)
        service = services.service(
            stack,
            on,
            function,
            source=pulumi.Output.concat("gs://", stored.bucket.name, "/", archive.name),
            image=image,
            runs_as=who.runs[function.name],
            builds_as=who.builds,
            values=environment.values(stack, function, known),
            secrets=environment.references(stack, function, held),
            after=[*grants, building],
        )
        made[function.name], addresses[function.name] = service, service.uri
        measures.measures(stack, on, function)
        _call(stack, on, function, service, who, topics, dead)
    request_logs(stack, on, functions)
    _grant_calls(stack, on, functions, made, who)
    pulumi.export("addresses", addresses)


def _call(
    stack: Stack,
    on: Apis,
    function: Function,
    service: Any,
    who: Any,
    topics: dict[str, Any],
    dead: dict[str, messaging.DeadLetter],
) -> None:
    """Joins a service to what calls it."""
    trigger = function.trigger
    if isinstance(trigger, Http):
        for label, member in callers(stack, function):
            services.invoker(stack, on, f"{function.service}-{label}", service, member)
        return
    caller = who.calls[function.name]
    invoker = services.invoker(stack, on, f"{function.service}-trigger", service, caller.member)
    if isinstance(trigger, Schedule):
        schedules.schedule(stack, on, function, service, caller, invoker)
        return
    messaging.subscriptions(stack, on, topics, function, service, who, invoker, dead)


def _grant_calls(stack: Stack, on: Apis, functions: tuple[Function, ...], made: dict[str, Any], who: Any) -> None:
    """Lets a function call another that is not public."""
    by_name = {function.name: function for function in functions}
    for function in functions:
        for need in needs(function, Calls):
            if not declared.is_public(by_name[need.function]):
                name = f"{by_name[need.function].service}-{function.service}"
                services.invoker(stack, on, name, made[need.function], who.runs[function.name].member)


def callers(stack: Stack, function: Function) -> list[tuple[str, str]]:
    """(label, IAM member) of whoever may call an HTTPS function.

    `callers` names the list of every retailer's entry in `gondola:retailers` that holds their e-mail addresses.

    Raises:
        InvalidConfiguration: no retailer's entry has such a list.
    """
    trigger = function.trigger
    assert isinstance(trigger, Http)
    if trigger.public:
        return [("public", services.EVERYBODY)]
    found: set[str] = set()
    for retailer in stack.retailers:
        listed = getattr(retailer, trigger.callers, None)
        if not isinstance(listed, tuple):
            raise InvalidConfiguration(
                f"functions/{function.name}/function.py: callers={trigger.callers!r} names no list of a retailer's "
                "entry, so nobody could call it; name one, such as 'compliance'."
            )
        found |= set(listed)
    return [(email, _member(email)) for email in sorted(found)]


def _member(email: str) -> str:
    """An address as IAM names it: the addresses of service accounts end in a domain of Google's."""
    return f"{'serviceAccount' if email.endswith('.gserviceaccount.com') else 'user'}:{email}"


def _value(namespace: str, key: str) -> object:
    """A configuration value as plain data; a structured one arrives as JSON, a simple one as text."""
    text = pulumi.Config(namespace).get(key)
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
