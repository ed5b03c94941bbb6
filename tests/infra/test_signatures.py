"""Inputs are checked against the provider that is installed."""

from __future__ import annotations

from typing import Any

import pytest

from infra.capture.signatures import faults

TOPIC = "gcp:pubsub/topic:Topic"
SUBSCRIPTION = "gcp:pubsub/subscription:Subscription"
SERVICE = "gcp:cloudrunv2/service:Service"


@pytest.mark.parametrize(
    ("type_", "inputs", "says"),
    [
        (TOPIC, {"nmae": "x"}, "nmae: TopicArgs has no such argument"),
        (SUBSCRIPTION, {"name": "x"}, "topic: is required and has no value"),
        (SUBSCRIPTION, {"topic": None}, "topic: is required and has no value"),
        (TOPIC, {"name": None}, "name: has no value"),
        (SUBSCRIPTION, {"topic": "t", "ackDeadlineSeconds": "60"}, "ackDeadlineSeconds: str where int is wanted"),
        (SUBSCRIPTION, {"topic": 1}, "topic: int where str is wanted"),
        (SUBSCRIPTION, {"topic": "t", "retainAckedMessages": 1}, "retainAckedMessages: int where bool is wanted"),
        (SUBSCRIPTION, {"topic": "t", "ackDeadlineSeconds": True}, "ackDeadlineSeconds: bool where int is wanted"),
        (
            SUBSCRIPTION,
            {"topic": "t", "retryPolicy": {"minimumBackof": "1s"}},
            "retryPolicy.minimumBackof: SubscriptionRetryPolicyArgs has no such argument",
        ),
        (
            SUBSCRIPTION,
            {"topic": "t", "pushConfig": {"oidcToken": {}}},
            "pushConfig.oidcToken.serviceAccountEmail: is required and has no value",
        ),
        (SERVICE, {"location": "l", "template": {}, "ingress": "INTERNAL"}, "ingress: 'INTERNAL' is none of"),
        (
            SERVICE,
            {"location": "l", "template": {"containers": [{"image": "i", "envs": [{"value": "x"}]}]}},
            "template.containers[0].envs[0].name: is required and has no value",
        ),
        (
            SERVICE,
            {"location": "l", "template": {"executionEnvironment": "GEN2"}},
            "template.executionEnvironment: 'GEN2' is none of",
        ),
        (
            SERVICE,
            {"location": "l", "template": {"containers": {"image": "i"}}},
            "template.containers: dict where a list is wanted",
        ),
        (
            "gcp:firestore/database:Database",
            {"locationId": "eur3", "type": "NATIVE"},
            "type: 'NATIVE' is none of FIRESTORE_NATIVE, DATASTORE_MODE",
        ),
        ("gcp:projects/iAMMember:IAMMember", {"project": "p", "role": "r"}, "member: is required and has no value"),
        ("random:index/randomBytes:RandomBytes", {}, "length: is required and has no value"),
        ("command:local:Command", {"create": 1}, "create: int where str is wanted"),
    ],
)
def test_a_fault_is_found_with_its_path(type_: str, inputs: dict[str, Any], says: str) -> None:
    assert [fault for fault in faults(type_, inputs) if says in fault], faults(type_, inputs)


@pytest.mark.parametrize(
    ("type_", "inputs"),
    [
        (TOPIC, {"name": "x", "labels": {"a": "b"}}),
        (SUBSCRIPTION, {"topic": "t", "ackDeadlineSeconds": 60, "expirationPolicy": {"ttl": ""}}),
        (SERVICE, {"location": "l", "template": {"timeout": "3s"}, "ingress": "INGRESS_TRAFFIC_ALL"}),
        ("gcp:secretmanager/secretVersion:SecretVersion", {"secret": "s", "secretData": {"secret": "urn"}}),
        ("gcp:storage/bucketObject:BucketObject", {"bucket": "b", "source": {"asset": "x.zip"}}),
    ],
)
def test_what_is_right_passes(type_: str, inputs: dict[str, Any]) -> None:
    assert faults(type_, inputs) == []
