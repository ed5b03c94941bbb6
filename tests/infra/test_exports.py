"""Nothing of a shopper leaves but in answers to those who may ask, and what ever leaves otherwise names its purpose.

Answers: the shopper's own page, and the retailer's compliance officer, who also fetches refund orders with the
addresses that winners left for them. There is no other export. A need through which
data could go out has a field `purpose`, one of those that a shopper grants (`layers.events.model.Purposes`); without
one the tests here fail. They look at needs, at the graph, and at what the code that sees shoppers imports.
"""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass
from typing import Any, get_args

import msgspec

from layers.declarations import (
    Calls,
    Dataset,
    DeadLetters,
    Documents,
    HotTable,
    Need,
    PublicRandomness,
    RetailerBucket,
    RetailerSecret,
    SealingKey,
    SigningKey,
    Topic,
)
from layers.events.model import Purposes
from tests.infra.conftest import ROOT

INSIDE = {HotTable, Topic, DeadLetters, Dataset, Documents, RetailerSecret, SigningKey, SealingKey, Calls}
"""Stores and functions of this stack."""

INWARDS = {RetailerBucket, PublicRandomness}
"""Outside, and only read: of a beacon's round its number is said, which is the same for everybody."""

PURPOSES = {field.name for field in msgspec.structs.fields(Purposes)}

SPEAKS = {
    "boto3",
    "botocore",
    "http",
    "urllib",
    "urllib3",
    "requests",
    "httpx",
    "aiohttp",
    "socket",
    "smtplib",
    "ftplib",
}
"""Packages by which a function could speak to whom it likes."""

ASKING = "layers.calling.asking"
"""The same, of our own."""

SILENT = {"urllib.parse", "http"}
"""Of these, what only reads addresses and knows statuses: `http` by itself, not `http.client`."""

SPEAKERS = {
    "functions/feeds/deliveries.py": {"boto3", "botocore"},  # reads the retailer's own files
    "functions/feeds/front_door.py": {"urllib3"},  # sends them to ingest
    "layers/stores/bigquery/warehouse.py": {"requests"},  # the words of BigQuery's own client for what went wrong
    "layers/signing/kms.py": {"requests"},  # asks Cloud KMS to sign or to seal
    "layers/calling/__init__.py": {"requests"},  # calls a function of this stack
    "layers/game/beacon.py": {"requests"},  # asks for a round of public randomness by its number
    "layers/calling/asking.py": {"http"},  # from the computer of whoever uses a command:
    "functions/consent_erasure/officer.py": {ASKING},  # the officer's asks consent_erasure
    "functions/consent_erasure/shopper_desk.py": {ASKING},
    "functions/rewards/desk.py": {ASKING},  # the same of whoever runs games: asks rewards
}
"""Who does, and with what. Whoever is added here sends nothing of a shopper away, or has a need that says for what."""

S3_WRITES = {"put_object", "upload_file", "upload_fileobj", "copy_object", "copy", "create_multipart_upload"}

LETS_OUT = (
    "datatransfer",
    "datashare",
    "analyticshub",
    "ProjectSink",
    "storagetransfer",
    "bigquery/job:",
    "dataExchange",
)
"""In a resource's type: it carries data to somewhere else."""


def unjustified(needs: Any) -> list[str]:
    """Kinds of need that may lead out and say no purpose."""
    return [
        type(need).__name__
        for need in needs
        if type(need) not in INSIDE | INWARDS and getattr(need, "purpose", None) not in PURPOSES
    ]


def test_no_function_declares_a_way_out_without_its_purpose(looked: Any) -> None:
    assert {f.name: unjustified(f.needs) for f in looked.functions if unjustified(f.needs)} == {}


def test_a_new_kind_of_need_is_judged_before_it_is_used() -> None:
    unjudged = [kind for kind in get_args(Need) if kind not in INSIDE | INWARDS]
    assert [k for k in unjudged if "purpose" not in {field.name for field in dataclasses.fields(k)}] == []


def test_an_export_without_a_purpose_would_be_found() -> None:
    @dataclass(frozen=True)
    class AdvertisersBucket:
        purpose: str = ""

    needs = [AdvertisersBucket(), AdvertisersBucket("profiling"), AdvertisersBucket("advertising")]
    assert unjustified(needs) == ["AdvertisersBucket"] * 2


def test_no_resource_carries_data_out(looked: Any) -> None:
    assert [r["urn"] for r in looked.graph["resources"] if any(word in r["type"] for word in LETS_OUT)] == []
    for subscription in looked.inputs("subscription:Subscription"):
        assert not {"bigqueryConfig", "cloudStorageConfig"} & set(subscription), subscription["name"]
    own = {f"https://{service['name']}.run.invalid" for service in looked.inputs("gcp:cloudrunv2/service:Service")}
    pushed = [s["pushConfig"]["pushEndpoint"] for s in looked.inputs("subscription:Subscription") if "pushConfig" in s]
    assert pushed and set(pushed) <= own


def test_only_the_stacks_own_accounts_reach_a_store(looked: Any) -> None:
    """Whom `test_grants` allows, less those who may only knock at a function."""
    own = {looked.member(f"run-{function.service}") for function in looked.functions}
    for kind, allowed in (
        ("datasetIamMember:DatasetIamMember", own),
        ("tableIamMember:TableIamMember", own),
        ("secretIamMember:SecretIamMember", own),
        ("topicIAMMember:TopicIAMMember", own | {looked.agent}),
        ("subscriptionIAMMember:SubscriptionIAMMember", own | {looked.agent}),
    ):
        assert {grant["member"] for grant in looked.inputs(kind)} <= allowed, kind


def test_code_that_sees_shoppers_speaks_to_nobody_else() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted([*ROOT.glob("functions/**/*.py"), *ROOT.glob("layers/**/*.py")]):
        tree = ast.parse(path.read_text())
        spoken: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                spoken |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                spoken.add(node.module)
                spoken |= {ASKING} & {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Attribute) and "feeds" in path.parts:
                assert node.attr not in S3_WRITES, f"{path.name}: feeds only reads the retailer's bucket"
        if used := {name.partition(".")[0] for name in spoken - SILENT} & SPEAKS | spoken & {ASKING}:
            found[str(path.relative_to(ROOT))] = used
    assert {name: used for name, used in found.items() if not used <= SPEAKERS.get(name, set())} == {}
