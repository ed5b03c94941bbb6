"""Delivery: who calls, how often, and where what cannot be delivered stays."""

from __future__ import annotations

import json
from typing import Any

from layers.declarations import Push, Schedule, Topic


def _by_name(looked: Any, kind: str) -> dict[str, dict[str, Any]]:
    return {inputs["name"]: inputs for inputs in looked.inputs(kind)}


def _pushes(looked: Any) -> dict[str, dict[str, Any]]:
    return {name: s for name, s in _by_name(looked, "subscription:Subscription").items() if "pushConfig" in s}


def test_one_push_subscription_a_topic_a_function(looked: Any) -> None:
    expected = {
        f"{f.name}--{topic}": topic
        for f in looked.functions
        if isinstance(f.trigger, Push)
        for topic in f.trigger.topics
    }
    assert {name: each["topic"] for name, each in _pushes(looked).items()} == expected


def test_every_push_identity_can_invoke_what_it_calls(looked: Any) -> None:
    services = {
        f"https://{r['inputs']['name']}.run.invalid": r["inputs"]["name"]
        for r in looked.of("gcp:cloudrunv2/service:Service")
    }
    invokers = {(i["name"], i["member"]) for i in looked.inputs("serviceIamMember:ServiceIamMember")}
    calls = [(s["pushConfig"]["pushEndpoint"], s["pushConfig"]["oidcToken"]) for s in _pushes(looked).values()]
    calls += [(j["httpTarget"]["uri"], j["httpTarget"]["oidcToken"]) for j in looked.inputs("job:Job")]
    for address, token in calls:
        assert token["audience"] == address
        assert (services[address], f"serviceAccount:{token['serviceAccountEmail']}") in invokers


def test_a_push_exists_only_once_it_may_invoke(looked: Any) -> None:
    invokers = {r["inputs"]["name"]: r["urn"] for r in looked.of("serviceIamMember:ServiceIamMember")}
    for resource in looked.of("subscription:Subscription"):
        if "pushConfig" in resource["inputs"]:
            function = resource["inputs"]["name"].split("--")[0]
            assert invokers[function.replace("_", "-")] in resource["depends_on"]


def test_every_dead_letter_keeps_its_messages(looked: Any) -> None:
    topics = _by_name(looked, "topic:Topic")
    subscriptions = _by_name(looked, "subscription:Subscription")
    publishers = {(g["topic"], g["role"], g["member"]) for g in looked.inputs("topicIAMMember:TopicIAMMember")}
    readers = {
        (g["subscription"], g["role"], g["member"])
        for g in looked.inputs("subscriptionIAMMember:SubscriptionIAMMember")
    }
    for name, push in _pushes(looked).items():
        dead = push["deadLetterPolicy"]["deadLetterTopic"].rpartition("/")[2]
        assert dead in topics
        keepers = [s for s in subscriptions.values() if s["topic"] == dead and "pushConfig" not in s]
        assert [k["messageRetentionDuration"] for k in keepers] == ["2678400s"]
        assert keepers[0]["expirationPolicy"] == {"ttl": ""}
        assert (keepers[0]["ackDeadlineSeconds"], keepers[0]["retainAckedMessages"]) == (10, False)
        assert (dead, "roles/pubsub.publisher", looked.agent) in publishers
        assert (name, "roles/pubsub.subscriber", looked.agent) in readers


def test_somebody_hears_of_every_dead_letter(looked: Any) -> None:
    conditions = [json.dumps(alert["conditions"]) for alert in looked.inputs("alertPolicy:AlertPolicy")]
    for push in _pushes(looked).values():
        dead = push["deadLetterPolicy"]["deadLetterTopic"].rpartition("/")[2]
        assert sum(rf"\"subscription_id\"=\"{dead}\"" in condition for condition in conditions) == 1
    if looked.stack.protected:
        assert all(a["notificationChannels"] for a in looked.inputs("alertPolicy:AlertPolicy"))


def test_delivery_is_said_and_not_left_to_defaults(looked: Any) -> None:
    triggers = {f.name: f.trigger for f in looked.functions if isinstance(f.trigger, Push)}
    for name, push in _pushes(looked).items():
        trigger = triggers[name.split("--")[0]]
        assert push["ackDeadlineSeconds"] == trigger.ack_deadline_s
        assert push["deadLetterPolicy"]["maxDeliveryAttempts"] == trigger.max_delivery_attempts
        assert push["retryPolicy"] == {"minimumBackoff": "1s", "maximumBackoff": "60s"}
        assert push["expirationPolicy"] == {"ttl": ""}
        assert push["messageRetentionDuration"] == "604800s"


def test_topics_are_what_functions_publish_to_and_stay_in_their_region(looked: Any) -> None:
    topics = _by_name(looked, "topic:Topic")
    published = {need.name for f in looked.functions for need in f.needs if isinstance(need, Topic)}
    assert {name for name in topics if not name.endswith("--dead")} == published
    for name, topic in topics.items():
        assert topic["messageStoragePolicy"]["allowedPersistenceRegions"] == [looked.stack.region]
        # A dead letter that an erasure took from its subscription must lie nowhere else.
        assert topic.get("messageRetentionDuration") == (None if name.endswith("--dead") else "604800s")


def test_a_job_a_scheduled_function(looked: Any) -> None:
    scheduled = {f.service: f.trigger for f in looked.functions if isinstance(f.trigger, Schedule)}
    jobs = _by_name(looked, "job:Job")
    assert set(jobs) == set(scheduled)
    for name, job in jobs.items():
        assert (job["schedule"], job["timeZone"]) == (scheduled[name].cron, scheduled[name].timezone)
        assert job["attemptDeadline"] == f"{scheduled[name].attempt_deadline_s}s"
        assert job["httpTarget"]["httpMethod"] == "POST"
        assert job["retryConfig"]["retryCount"] > 0
