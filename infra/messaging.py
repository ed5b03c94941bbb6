"""Pub/Sub: topics, push subscriptions, and for each a dead letter that keeps what could not be delivered.

A topic exists because a function publishes to it. A push subscription is named `<function>--<topic>`.
"""

from __future__ import annotations

from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import needs
from infra.identities import Identities
from layers.declarations import Function, Push, Topic
from layers.stores.topics import DEAD_LETTER_DAYS, KEPT_DAYS

PUBLISHER, SUBSCRIBER = "roles/pubsub.publisher", "roles/pubsub.subscriber"
TOKENS = "roles/iam.serviceAccountOpenIdTokenCreator"
_KEPT = f"{KEPT_DAYS * 86400}s"
_DEAD = f"{DEAD_LETTER_DAYS * 86400}s"
_RETRY_MIN, _RETRY_MAX = "1s", "60s"
"""A store that moves to another machine is back within seconds, so the first retry comes soon; an outage is not helped
by more than one try a minute. Backoff slows the whole subscription, hence handlers quarantine what no retry can mend.
With 20 attempts a message is tried for about 14 minutes before it becomes a dead letter."""


def topics(stack: Stack, on: Apis, functions: tuple[Function, ...]) -> dict[str, Any]:
    """Every topic that some function publishes to, by name."""
    names = sorted({need.name for function in functions for need in needs(function, Topic)})
    return {name: _topic(stack, on, name) for name in names}


def _topic(stack: Stack, on: Apis, name: str) -> Any:
    return gcp.pubsub.Topic(
        name,
        project=stack.project,
        name=name,
        message_retention_duration=_KEPT,
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


def subscriptions(
    stack: Stack,
    on: Apis,
    made: dict[str, Any],
    function: Function,
    service: Any,
    who: Identities,
    invoker: Any,
) -> dict[str, Any]:
    """The function's push subscriptions.

    Args:
        invoker: the grant by which the push identity may call the service; without it every delivery is refused.

    Returns:
        The pull subscriptions that hold its dead letters, by name.
    """
    if not isinstance(function.trigger, Push):
        return {}
    caller = who.calls[function.name]
    tokens = gcp.serviceaccount.IAMMember(
        f"{function.service}-push-tokens",
        service_account_id=caller.name,
        role=TOKENS,
        member=who.pubsub_agent.member,
        opts=on.on(apis.IAM),
    )
    held: dict[str, Any] = {}
    for topic in function.trigger.topics:
        name = f"{function.name}--{topic}"
        dead = _topic(stack, on, f"{name}--dead")
        kept = gcp.pubsub.Subscription(
            f"{name}--dead",
            project=stack.project,
            name=f"{name}--dead",
            topic=dead.name,
            ack_deadline_seconds=600,
            message_retention_duration=_DEAD,
            retain_acked_messages=False,
            expiration_policy=gcp.pubsub.SubscriptionExpirationPolicyArgs(ttl=""),
            enable_message_ordering=False,
            enable_exactly_once_delivery=False,
            opts=on.on(apis.PUBSUB),
        )
        to_dead = gcp.pubsub.TopicIAMMember(
            f"agent-{name}--dead",
            project=stack.project,
            topic=dead.name,
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
                dead_letter_topic=dead.id, max_delivery_attempts=function.trigger.max_delivery_attempts
            ),
            push_config=gcp.pubsub.SubscriptionPushConfigArgs(
                push_endpoint=service.uri,
                oidc_token=gcp.pubsub.SubscriptionPushConfigOidcTokenArgs(
                    service_account_email=caller.email, audience=service.uri
                ),
            ),
            opts=on.on(apis.PUBSUB, [invoker, tokens, kept, to_dead]),
        )
        gcp.pubsub.SubscriptionIAMMember(
            f"agent-{name}",
            project=stack.project,
            subscription=push.name,
            role=SUBSCRIBER,
            member=who.pubsub_agent.member,
            opts=on.on(apis.PUBSUB),
        )
        held[f"{name}--dead"] = kept
    return held
