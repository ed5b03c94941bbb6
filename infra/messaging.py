"""Pub/Sub: topics, push subscriptions, and for each a dead letter that keeps what could not be delivered.

A topic exists because a function publishes to it. A push subscription is named `<function>--<topic>`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import needs
from infra.identities import Identities
from layers.declarations import DeadLetters, Function, Push, Topic
from layers.stores.topics import DEAD_LETTER_DAYS, DEAD_LETTER_LEASE_S, KEPT_DAYS

PUBLISHER, SUBSCRIBER = "roles/pubsub.publisher", "roles/pubsub.subscriber"
TOKENS = "roles/iam.serviceAccountOpenIdTokenCreator"
_KEPT = f"{KEPT_DAYS * 86400}s"
_DEAD = f"{DEAD_LETTER_DAYS * 86400}s"
_RETRY_MIN, _RETRY_MAX = "1s", "60s"
"""A store that moves to another machine is back within seconds, so the first retry comes soon; an outage is not helped
by more than one try a minute. Backoff slows the whole subscription, hence handlers quarantine what no retry can mend.
With 20 attempts a message is tried for about 14 minutes before it becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Where one subscription's undeliverable messages go, and the subscription that keeps them."""

    topic: Any
    kept: Any


def topics(stack: Stack, on: Apis, functions: tuple[Function, ...]) -> dict[str, Any]:
    """Every topic that some function publishes to, by name."""
    names = sorted({need.name for function in functions for need in needs(function, Topic)})
    return {name: _topic(stack, on, name, _KEPT) for name in names}


def _topic(stack: Stack, on: Apis, name: str, kept: str | None) -> Any:
    return gcp.pubsub.Topic(
        name,
        project=stack.project,
        name=name,
        message_retention_duration=kept,
        message_storage_policy=gcp.pubsub.TopicMessageStoragePolicyArgs(
            allowed_persistence_regions=[stack.region], enforce_in_transit=False
        ),
        opts=on.on(apis.PUBSUB),
    )


def publishers(stack: Stack, on: Apis, made: dict[str, Any], function: Function, member: Any) -> list[Any]:
    """One grant for each topic that the function publishes to, on that topic."""
    return [
        gcp.pubsub.TopicIAMMember(
            f"{function.service}-{need.name}",
            project=stack.project,
            topic=made[need.name].name,
            role=PUBLISHER,
            member=member,
            opts=on.on(apis.PUBSUB),
        )
        for need in needs(function, Topic)
    ]


def dead_letters(stack: Stack, on: Apis, functions: tuple[Function, ...]) -> dict[str, DeadLetter]:
    """One for each topic that calls a function, by the name of its subscription."""
    return {
        name: _dead_letter(stack, on, name)
        for function in functions
        if isinstance(function.trigger, Push)
        for name in (f"{function.name}--{topic}--dead" for topic in function.trigger.topics)
    }


def _dead_letter(stack: Stack, on: Apis, name: str) -> DeadLetter:
    # The topic keeps nothing by itself: what an erasure takes from the subscription must be nowhere else.
    topic = _topic(stack, on, name, None)
    kept = gcp.pubsub.Subscription(
        name,
        project=stack.project,
        name=name,
        topic=topic.name,
        ack_deadline_seconds=DEAD_LETTER_LEASE_S,
        message_retention_duration=_DEAD,
        retain_acked_messages=False,
        expiration_policy=gcp.pubsub.SubscriptionExpirationPolicyArgs(ttl=""),
        enable_message_ordering=False,
        enable_exactly_once_delivery=False,
        opts=on.on(apis.PUBSUB),
    )
    return DeadLetter(topic, kept)


def named(dead: dict[str, DeadLetter]) -> pulumi.Output[str]:
    """The environment value that names them: subscriptions and their topics."""
    pairs = [pulumi.Output.all(each.kept.id, each.topic.id) for _, each in sorted(dead.items())]
    return pulumi.Output.all(*pairs).apply(lambda all: json.dumps(dict(all), sort_keys=True))


def sweepers(stack: Stack, on: Apis, dead: dict[str, DeadLetter], function: Function, member: Any) -> list[Any]:
    """For a function that takes dead letters and puts others in their place: two grants for each."""
    if not needs(function, DeadLetters):
        return []
    takes = [
        gcp.pubsub.SubscriptionIAMMember(
            f"{function.service}-{name}",
            project=stack.project,
            subscription=each.kept.name,
            role=SUBSCRIBER,
            member=member,
            opts=on.on(apis.PUBSUB),
        )
        for name, each in sorted(dead.items())
    ]
    puts = [
        gcp.pubsub.TopicIAMMember(
            f"{function.service}-{name}",
            project=stack.project,
            topic=each.topic.name,
            role=PUBLISHER,
            member=member,
            opts=on.on(apis.PUBSUB),
        )
        for name, each in sorted(dead.items())
    ]
    return [*takes, *puts]


def subscriptions(
    stack: Stack,
    on: Apis,
    made: dict[str, Any],
    function: Function,
    service: Any,
    who: Identities,
    invoker: Any,
    held: dict[str, DeadLetter],
) -> None:
    """The function's push subscriptions.

    Args:
        invoker: the grant by which the push identity may call the service; without it every delivery is refused.
        held: where what it cannot take goes.
    """
    if not isinstance(function.trigger, Push):
        return
    caller = who.calls[function.name]
    tokens = gcp.serviceaccount.IAMMember(
        f"{function.service}-push-tokens",
        service_account_id=caller.name,
        role=TOKENS,
        member=who.pubsub_agent.member,
        opts=on.on(apis.IAM),
    )
    for topic in function.trigger.topics:
        name = f"{function.name}--{topic}"
        dead = held[f"{name}--dead"]
        to_dead = gcp.pubsub.TopicIAMMember(
            f"agent-{name}--dead",
            project=stack.project,
            topic=dead.topic.name,
            role=PUBLISHER,
            member=who.pubsub_agent.member,
            opts=on.on(apis.PUBSUB),
        )
        push = gcp.pubsub.Subscription(
            name,
            project=stack.project,
            name=name,
            topic=made[topic].name,
            ack_deadline_seconds=function.trigger.ack_deadline_s,
            message_retention_duration=_KEPT,
            retain_acked_messages=False,
            expiration_policy=gcp.pubsub.SubscriptionExpirationPolicyArgs(ttl=""),
            enable_message_ordering=False,
            enable_exactly_once_delivery=False,
            retry_policy=gcp.pubsub.SubscriptionRetryPolicyArgs(minimum_backoff=_RETRY_MIN, maximum_backoff=_RETRY_MAX),
            dead_letter_policy=gcp.pubsub.SubscriptionDeadLetterPolicyArgs(
                dead_letter_topic=dead.topic.id, max_delivery_attempts=function.trigger.max_delivery_attempts
            ),
            push_config=gcp.pubsub.SubscriptionPushConfigArgs(
                push_endpoint=service.uri,
                oidc_token=gcp.pubsub.SubscriptionPushConfigOidcTokenArgs(
                    service_account_email=caller.email, audience=service.uri
                ),
            ),
            opts=on.on(apis.PUBSUB, [invoker, tokens, dead.kept, to_dead]),
        )
        gcp.pubsub.SubscriptionIAMMember(
            f"agent-{name}",
            project=stack.project,
            subscription=push.name,
            role=SUBSCRIBER,
            member=who.pubsub_agent.member,
            opts=on.on(apis.PUBSUB),
        )
