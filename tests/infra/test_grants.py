"""Every need has its grant and there is no grant beyond: the whole set is worked out from the declarations, in words of
this file, and compared with the whole set in the graph."""

from __future__ import annotations

from typing import Any

from layers.declarations import (
    Access,
    Calls,
    Dataset,
    DeadLetters,
    Documents,
    Function,
    HotTable,
    Http,
    Push,
    RetailerSecret,
    Schedule,
    SealingKey,
    SigningKey,
    Topic,
)

Grant = tuple[str, str, str, str, str]
"""(kind, resource, role, member, condition)"""


def _needs(function: Function, looked: Any) -> set[Grant]:
    """What one function's needs allow it."""
    me = looked.member(f"run-{function.service}")
    project = looked.stack.project
    found: set[Grant] = set()
    for need in function.needs:
        writes = getattr(need, "access", None) is Access.WRITE
        match need:
            case HotTable():
                role = "roles/bigtable.user" if writes else "roles/bigtable.reader"
                found.add(("table", need.name, role, me, ""))
            case Topic():
                found.add(("topic", need.name, "roles/pubsub.publisher", me, ""))
            case DeadLetters():
                for dead in _dead_letters(looked):
                    found.add(("subscription", dead, "roles/pubsub.subscriber", me, ""))
                    found.add(("topic", dead, "roles/pubsub.publisher", me, ""))
            case Dataset():
                role = "roles/bigquery.dataEditor" if writes else "roles/bigquery.dataViewer"
                found |= {("dataset", f"retailer_{r.id}", role, me, "") for r in looked.stack.retailers}
                found.add(("project", project, "roles/bigquery.jobUser", me, ""))
                if need.in_bulk:
                    found.add(("project", project, "roles/bigquery.readSessionUser", me, ""))
            case Documents():
                role = "roles/datastore.user" if writes else "roles/datastore.viewer"
                only = f'resource.name == "projects/{project}/databases/{need.database}"'
                found.add(("project", project, role, me, only))
            case RetailerSecret():
                secrets = {f"{r.id}-{need.kind.value}" for r in looked.stack.retailers}
                found |= {("secret", each, "roles/secretmanager.secretAccessor", me, "") for each in secrets}
            case SigningKey() | SealingKey():
                ring = f"projects/{project}/locations/{looked.stack.region}/keyRings/gondola"
                key = f"{ring}/cryptoKeys/{need.name}"
                seals = isinstance(need, SealingKey)
                role = "roles/cloudkms.cryptoKeyEncrypterDecrypter" if seals else "roles/cloudkms.signerVerifier"
                found.add(("key", key, role, me, ""))
            case Calls():
                called = next(f for f in looked.functions if f.name == need.function)
                if not (isinstance(called.trigger, Http) and called.trigger.public):
                    found.add(("service", called.service, "roles/run.invoker", me, ""))
    return found


def _dead_letters(looked: Any) -> set[str]:
    pushed = [(f.name, topic) for f in looked.functions if isinstance(f.trigger, Push) for topic in f.trigger.topics]
    return {f"{name}--{topic}--dead" for name, topic in pushed}


def _callers(function: Function, looked: Any) -> set[Grant]:
    """Who may call a function."""
    invoker = "roles/run.invoker"
    match function.trigger:
        case Http(public=True):
            members = {"allUsers"}
        case Http():
            assert function.trigger.callers in ("compliance", "marketing")
            lists = [getattr(retailer, function.trigger.callers) for retailer in looked.stack.retailers]
            listed = {address for addresses in lists for address in addresses}
            members = {f"serviceAccount:{a}" if a.endswith(".iam.gserviceaccount.com") else f"user:{a}" for a in listed}
        case Push():
            members = {looked.member(f"push-{function.service}")}
        case Schedule():
            members = {looked.member(f"job-{function.service}")}
    return {("service", function.service, invoker, member, "") for member in members}


def _expected(looked: Any) -> set[Grant]:
    project = looked.stack.project
    builder = looked.member("builds")
    found: set[Grant] = {
        ("bucket", f"{project}-archives", "roles/storage.objectViewer", builder, ""),
        ("repository", "functions", "roles/artifactregistry.writer", builder, ""),
        ("project", project, "roles/logging.logWriter", builder, ""),
    }
    for function in looked.functions:
        found |= _needs(function, looked) | _callers(function, looked)
        if isinstance(function.trigger, Push):
            account = looked.member(f"push-{function.service}").removeprefix("serviceAccount:")
            name = f"projects/{project}/serviceAccounts/{account}"
            found.add(("account", name, "roles/iam.serviceAccountOpenIdTokenCreator", looked.agent, ""))
            for topic in function.trigger.topics:
                pushed = f"{function.name}--{topic}"
                found.add(("topic", f"{pushed}--dead", "roles/pubsub.publisher", looked.agent, ""))
                found.add(("subscription", pushed, "roles/pubsub.subscriber", looked.agent, ""))
    return found


_RESOURCE = {
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": ("repository", "repository"),
    "gcp:bigquery/datasetIamMember:DatasetIamMember": ("dataset", "datasetId"),
    "gcp:bigtable/tableIamMember:TableIamMember": ("table", "table"),
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": ("service", "name"),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": ("key", "cryptoKeyId"),
    "gcp:projects/iAMMember:IAMMember": ("project", "project"),
    "gcp:pubsub/subscriptionIAMMember:SubscriptionIAMMember": ("subscription", "subscription"),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": ("topic", "topic"),
    "gcp:secretmanager/secretIamMember:SecretIamMember": ("secret", "secretId"),
    "gcp:serviceaccount/iAMMember:IAMMember": ("account", "serviceAccountId"),
    "gcp:storage/bucketIAMMember:BucketIAMMember": ("bucket", "bucket"),
}


def _found(looked: Any) -> list[Grant]:
    found = []
    for resource in looked.graph["resources"]:
        if "iam" not in resource["type"].lower().split(":")[1]:
            continue
        # A binding or a policy would also take grants away that others made: only members are allowed.
        kind, key = _RESOURCE[resource["type"]]
        inputs = resource["inputs"]
        condition = inputs.get("condition", {}).get("expression", "")
        found.append((kind, inputs[key], inputs["role"], inputs["member"], condition))
    return found


def test_every_need_has_its_grant_and_nothing_beyond(looked: Any) -> None:
    found = _found(looked)
    assert set(found) == _expected(looked)
    assert len(found) == len(set(found))


def test_no_role_is_a_basic_one(looked: Any) -> None:
    roles = {role for _, _, role, _, _ in _found(looked)}
    assert not {role for role in roles if role in ("roles/owner", "roles/editor", "roles/viewer") or "admin" in role}


def test_everybody_may_call_only_what_trackers_use(looked: Any) -> None:
    open_to_all = {name for _, name, _, member, _ in _found(looked) if member in ("allUsers", "allAuthenticatedUsers")}
    assert open_to_all == {"ingest", "experiences", "claims"}


def test_only_project_grants_are_those_without_anything_smaller(looked: Any) -> None:
    on_project = {(role, bool(only)) for kind, _, role, _, only in _found(looked) if kind == "project"}
    assert on_project <= {
        ("roles/bigquery.jobUser", False),
        ("roles/bigquery.readSessionUser", False),
        ("roles/logging.logWriter", False),
        ("roles/datastore.user", True),
        ("roles/datastore.viewer", True),
    }


def test_only_a_function_that_declares_it_reads_contact_details(looked: Any) -> None:
    declared = {
        looked.member(f"run-{f.service}")
        for f in looked.functions
        for need in f.needs
        if isinstance(need, Documents) and need.database == "rewards"
    }
    assert {member for _, _, _, member, only in _found(looked) if "/databases/rewards" in only} == declared
