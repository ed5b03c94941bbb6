"""What Google would answer for each type of resource, as far as the program uses it.

A type that is not here is an error: an output that a mock leaves out would silently empty the input that needs it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import sha256
from typing import Any

Outputs = dict[str, Any]

PROJECT_NUMBER = "123456789012"


class UnknownType(ValueError):
    """The program makes a resource of a type of which the capture does not know the outputs."""


def _project(inputs: Outputs) -> str:
    return f"projects/{inputs['project']}"


def _same(path: Callable[[Outputs], str]) -> Callable[[str, Outputs], tuple[str, Outputs]]:
    """A resource that answers with its inputs; `path` is its id."""
    return lambda _name, inputs: (path(inputs), {})


def _account(_name: str, inputs: Outputs) -> tuple[str, Outputs]:
    email = f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"
    name = f"{_project(inputs)}/serviceAccounts/{email}"
    return name, {"email": email, "member": f"serviceAccount:{email}", "name": name, "uniqueId": _number(email)}


def _agent(_name: str, inputs: Outputs) -> tuple[str, Outputs]:
    email = f"service-{PROJECT_NUMBER}@gcp-sa-{inputs['service'].split('.')[0]}.iam.gserviceaccount.com"
    return f"{_project(inputs)}/services/{inputs['service']}", {"email": email, "member": f"serviceAccount:{email}"}


def _service(_name: str, inputs: Outputs) -> tuple[str, Outputs]:
    path = f"{_project(inputs)}/locations/{inputs['location']}/services/{inputs['name']}"
    # No real address: whatever reads the graph puts its own in the place of this one.
    return path, {"uri": f"https://{inputs['name']}.run.invalid"}


def _secret(_name: str, inputs: Outputs) -> tuple[str, Outputs]:
    path = f"{_project(inputs)}/secrets/{inputs['secretId']}"
    return path, {"name": f"projects/{PROJECT_NUMBER}/secrets/{inputs['secretId']}"}


def _version(_name: str, inputs: Outputs) -> tuple[str, Outputs]:
    return f"{inputs['secret']}/versions/1", {"name": f"{inputs['secret']}/versions/1", "version": "1"}


def _random(name: str, _inputs: Outputs) -> tuple[str, Outputs]:
    # Never leaves the capture: it is marked as a secret before the program sees it.
    made = sha256(name.encode()).digest()
    return name, {"base64": base64.b64encode(made).decode(), "hex": made.hex()}


def _number(text: str) -> str:
    return str(int.from_bytes(sha256(text.encode()).digest()[:8], "big"))


_ANSWERS: dict[str, Callable[[str, Outputs], tuple[str, Outputs]]] = {
    "command:local:Command": lambda name, _i: (name, {"stdout": "", "stderr": ""}),
    "gcp:artifactregistry/repository:Repository": lambda _n, i: (
        f"{_project(i)}/locations/{i['location']}/repositories/{i['repositoryId']}",
        {"name": i["repositoryId"]},
    ),
    "gcp:bigquery/dataset:Dataset": _same(lambda i: f"{_project(i)}/datasets/{i['datasetId']}"),
    "gcp:bigquery/table:Table": _same(lambda i: f"{_project(i)}/datasets/{i['datasetId']}/tables/{i['tableId']}"),
    "gcp:bigtable/appProfile:AppProfile": _same(
        lambda i: f"{_project(i)}/instances/{i['instance']}/appProfiles/{i['appProfileId']}"
    ),
    "gcp:bigtable/gCPolicy:GCPolicy": _same(lambda i: f"{i['table']}/{i['columnFamily']}"),
    "gcp:bigtable/instance:Instance": _same(lambda i: f"{_project(i)}/instances/{i['name']}"),
    "gcp:bigtable/table:Table": _same(lambda i: f"{_project(i)}/instances/{i['instanceName']}/tables/{i['name']}"),
    "gcp:cloudrunv2/service:Service": _service,
    "gcp:cloudscheduler/job:Job": _same(lambda i: f"{_project(i)}/locations/{i['region']}/jobs/{i['name']}"),
    "gcp:firestore/database:Database": _same(lambda i: f"{_project(i)}/databases/{i['name']}"),
    "gcp:kms/cryptoKey:CryptoKey": _same(lambda i: f"{i['keyRing']}/cryptoKeys/{i['name']}"),
    "gcp:kms/keyRing:KeyRing": _same(lambda i: f"{_project(i)}/locations/{i['location']}/keyRings/{i['name']}"),
    "gcp:firestore/field:Field": _same(
        lambda i: f"{_project(i)}/databases/{i['database']}/collectionGroups/{i['collection']}/fields/{i['field']}"
    ),
    "gcp:logging/metric:Metric": _same(lambda i: f"{_project(i)}/metrics/{i['name']}"),
    "gcp:logging/projectExclusion:ProjectExclusion": _same(lambda i: f"{_project(i)}/exclusions/{i['name']}"),
    "gcp:monitoring/alertPolicy:AlertPolicy": lambda name, i: (
        f"{_project(i)}/alertPolicies/{_number(name)}",
        {"name": f"{_project(i)}/alertPolicies/{_number(name)}"},
    ),
    "gcp:projects/service:Service": _same(lambda i: f"{i['project']}/{i['service']}"),
    "gcp:projects/serviceIdentity:ServiceIdentity": _agent,
    "gcp:pubsub/subscription:Subscription": _same(lambda i: f"{_project(i)}/subscriptions/{i['name']}"),
    "gcp:pubsub/topic:Topic": _same(lambda i: f"{_project(i)}/topics/{i['name']}"),
    "gcp:secretmanager/secret:Secret": _secret,
    "gcp:secretmanager/secretVersion:SecretVersion": _version,
    "gcp:serviceaccount/account:Account": _account,
    "gcp:storage/bucket:Bucket": lambda _n, i: (i["name"], {"url": f"gs://{i['name']}"}),
    "gcp:storage/bucketObject:BucketObject": lambda _n, i: (f"{i['bucket']}-{i['name']}", {}),
    "random:index/randomBytes:RandomBytes": _random,
}

_GRANTS = ("IamMember", "IAMMember")


def answer(type_: str, name: str, inputs: Outputs) -> tuple[str, Outputs]:
    """(id, outputs) of a resource.

    Raises:
        UnknownType: nothing is known of this type.
    """
    if type_.endswith(_GRANTS):
        return f"{inputs['role']} {inputs['member']} {name}", {"etag": "captured"}
    if type_ not in _ANSWERS:
        raise UnknownType(
            "the capture does not know what Google answers for this type, so what depends on it would be lost: "
            "add its outputs to infra/capture/outputs.py"
        )
    identifier, outputs = _ANSWERS[type_](name, inputs)
    return identifier, {**inputs, **outputs}
