"""The capture catches what Pulumi's mocks let pass, and changes nothing of what the program asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_random
import pytest

from infra.capture import InvalidGraph, capture, render
from infra.capture.run import run

ROOT = Path(__file__).resolve().parents[2]


def _run(program: Callable[[], Any]) -> list[Any]:
    return list(run(lambda: (program(), None)[1], ROOT, "test", {"gcp:project": "p-test"}))


def _topic(name: str, **inputs: Any) -> Any:
    return gcp.pubsub.Topic(name, project="p-test", name=name, **inputs)


def test_an_output_that_nobody_knows_is_an_error() -> None:
    def program() -> None:
        topic = _topic("known")
        _topic("lost", kms_key_name=topic.kms_key_name)

    with pytest.raises(InvalidGraph, match="'lost', kmsKeyName: comes from an output that the capture does not know"):
        _run(program)


def test_an_unknown_deep_inside_is_an_error_too() -> None:
    def program() -> None:
        topic = _topic("known")
        _topic("lost", labels={"of": pulumi.Output.concat("x-", topic.kms_key_name)})

    with pytest.raises(InvalidGraph, match="'lost', labels"):
        _run(program)


def test_two_resources_of_one_name_are_an_error() -> None:
    with pytest.raises(InvalidGraph, match="'twice', its URN stands twice"):
        _run(lambda: (_topic("twice"), _topic("twice")))


def test_a_type_without_known_outputs_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not know what Google answers for this type"):
        _run(lambda: gcp.storage.Notification("n", bucket="b", payload_format="NONE", topic="t"))


def test_a_secret_is_a_mark_and_its_siblings_stay_visible() -> None:
    def program() -> None:
        random = pulumi_random.RandomBytes("key", length=32)
        gcp.secretmanager.SecretVersion("v", secret="projects/p/secrets/s", secret_data=random.base64, enabled=True)

    (version,) = [r for r in _run(program) if r["name"] == "v"]
    assert version["inputs"]["secretData"] == {
        "secret": "urn:pulumi:test::gondola::random:index/randomBytes:RandomBytes::key"
    }
    assert version["inputs"]["enabled"] is True
    assert version["depends_on"] == ["urn:pulumi:test::gondola::random:index/randomBytes:RandomBytes::key"]


def test_whole_numbers_stay_whole_and_fractions_stay() -> None:
    def program() -> None:
        gcp.pubsub.Subscription("s", project="p-test", name="s", topic="t", ack_deadline_seconds=60)

    (made,) = _run(program)
    assert json.dumps(made["inputs"]["ackDeadlineSeconds"]) == "60"


def test_outputs_flow_on_and_dependencies_are_kept() -> None:
    def program() -> None:
        topic = _topic("t")
        gcp.pubsub.Subscription("s", project="p-test", name="s", topic=topic.id)

    subscription, topic = _run(program)
    assert subscription["inputs"]["topic"] == "projects/p-test/topics/t"
    assert subscription["depends_on"] == [topic["urn"]]


def test_two_runs_give_the_same_text(dev: Any) -> None:
    assert render(capture(ROOT, "dev")) == render(dev.graph)


def test_the_graph_is_sorted_whole_and_of_this_machine_nowhere(looked: Any) -> None:
    graph = looked.graph
    urns = [r["urn"] for r in graph["resources"]]
    assert urns == sorted(set(urns))
    assert {d for r in graph["resources"] for d in r["depends_on"]} <= set(urns)
    assert str(ROOT) not in render(graph)
    assert (graph["project"], graph["stack"]) == (looked.stack.project, looked.stack.name)
    for resource in graph["resources"]:
        assert resource["urn"] == f"urn:pulumi:{graph['stack']}::gondola::{resource['type']}::{resource['name']}"


def test_the_archives_that_the_graph_names_are_there(dev: Any) -> None:
    for source in dev.inputs("bucketObject:BucketObject"):
        assert (ROOT / source["source"]["asset"]).is_file()


def test_a_stack_without_a_file_is_said() -> None:
    with pytest.raises(InvalidGraph, match=r"there is no Pulumi\.nowhere\.yaml.*there are dev, preprod, prod"):
        capture(ROOT, "nowhere")


def test_the_command_helps() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "infra.capture", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--stack" in run.stdout
    assert "--out" in run.stdout
