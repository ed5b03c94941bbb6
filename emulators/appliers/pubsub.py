"""Topics, subscriptions, their push endpoints, dead letters and retries.

Limits that shaped it: the emulator sends no identity token on a push and ignores filters, so a filter in the graph is
refused here rather than silently not applied. It has JSON over HTTP on its one port.

A retry policy is left out: with one, a message whose push failed is hardly ever pushed again (of 120 messages around an
outage of three seconds, 60 had not come after 100 seconds, with any backoff; without one all came within two seconds).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emulators.appliers.rest import call
from emulators.graph import InvalidGraph, Resource, localised

TOPIC, SUBSCRIPTION = "gcp:pubsub/topic:Topic", "gcp:pubsub/subscription:Subscription"
_AS_THEY_ARE = ("ackDeadlineSeconds", "deadLetterPolicy", "enableMessageOrdering")


@dataclass(frozen=True, slots=True)
class Subscription:
    """`body` is the API's; `endpoint` is None for a pull subscription."""

    name: str
    body: Mapping[str, Any]
    endpoint: str | None


def full_topic(resource: Resource) -> str:
    """A subscription's topic as `projects/P/topics/T`, however the graph spells it."""
    named = resource.text("topic")
    return named if "/" in named else f"projects/{resource.text('project')}/topics/{named}"


def pushes_to(resource: Resource, services: Collection[str]) -> bool:
    """Whether it is a subscription that pushes to one of these, by their addresses in the graph. Pure."""
    endpoint = resource.get("pushConfig", "pushEndpoint") if resource.type == SUBSCRIPTION else None
    return endpoint is not None and any(f"{endpoint}/".startswith(f"{each}/") for each in services)


def wanted(resources: Iterable[Resource], addresses: Mapping[str, str]) -> tuple[list[str], list[Subscription]]:
    """The topics' and subscriptions' full names, with local push endpoints. Pure.

    Raises:
        InvalidGraph: a subscription has a filter, or leads to no service of this stack.
    """
    topics: list[str] = []
    subscriptions: list[Subscription] = []
    for resource in resources:
        project, name = resource.text("project"), resource.text("name")
        if resource.type == TOPIC:
            topics.append(f"projects/{project}/topics/{name}")
            continue
        if resource.get("filter"):
            raise InvalidGraph(
                f"subscription {name!r} has a filter, which the emulator stores and ignores: the function would get "
                "messages here that it never gets in the cloud. Filter in the function, or publish to another topic."
            )
        endpoint = localised(resource.get("pushConfig", "pushEndpoint"), addresses)
        if endpoint is not None and not endpoint.startswith("http://127.0.0.1"):
            raise InvalidGraph(f"subscription {name!r} pushes to {endpoint}, which is no service of this graph.")
        body = {key: resource.get(key) for key in _AS_THEY_ARE if resource.get(key) is not None}
        subscriptions.append(
            Subscription(f"projects/{project}/subscriptions/{name}", {**body, "topic": full_topic(resource)}, endpoint)
        )
    return topics, subscriptions


def apply(resources: Iterable[Resource], host: str, addresses: Mapping[str, str]) -> None:
    """Makes them. A subscription that is there keeps its messages; only its endpoint follows.

    Raises:
        Refused: the emulator says no.
    """
    topics, subscriptions = wanted(resources, addresses)
    for topic in topics:
        call("PUT", f"http://{host}/v1/{topic}", {}, accept=(409,))
    for each in subscriptions:
        push = {} if each.endpoint is None else {"pushEndpoint": each.endpoint}
        url = f"http://{host}/v1/{each.name}"
        status, _ = call("PUT", url, {**each.body, "pushConfig": push}, accept=(409,))
        if status == 409 and (call("GET", url)[1].get("pushConfig") or {}).get("pushEndpoint") != each.endpoint:
            call("POST", f"{url}:modifyPushConfig", {"pushConfig": push})
