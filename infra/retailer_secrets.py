"""Each retailer's secrets, made by the machine: nobody types one, nobody sees one, none changes by accident.

A pseudonym key that changed would part every shopper from their past, so versions are never replaced by an update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi_gcp as gcp
import pulumi_random

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from infra.declared import needs
from layers.declarations import Function, RetailerSecret, SecretKind

ACCESSOR = "roles/secretmanager.secretAccessor"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret and the version that functions use."""

    secret: Any
    version: Any


Secrets = dict[tuple[SecretKind, str], Secret]


def secrets(stack: Stack, on: Apis) -> Secrets:
    """One secret for each kind and retailer."""
    return {(kind, r.id): _secret(stack, on, f"{r.id}-{kind.value}") for r in stack.retailers for kind in SecretKind}


def _secret(stack: Stack, on: Apis, name: str) -> Secret:
    secret = gcp.secretmanager.Secret(
        name,
        project=stack.project,
        secret_id=name,
        replication=gcp.secretmanager.SecretReplicationArgs(
            user_managed=gcp.secretmanager.SecretReplicationUserManagedArgs(
                replicas=[gcp.secretmanager.SecretReplicationUserManagedReplicaArgs(location=stack.region)]
            )
        ),
        deletion_protection=stack.protected,
        opts=on.on(apis.SECRETS, protect=stack.protected),
    )
    value = pulumi_random.RandomBytes(
        name, length=_BYTES, opts=on.on(apis.SECRETS, protect=True, ignore_changes=["length", "keepers"])
    )
    version = gcp.secretmanager.SecretVersion(
        name,
        secret=secret.id,
        secret_data=value.base64,
        is_secret_data_base64=False,
        enabled=True,
        deletion_policy="PREVENT" if stack.protected else "DELETE",
        opts=on.on(apis.SECRETS, protect=True, ignore_changes=["secretData"]),
    )
    return Secret(secret, version)


def grants(stack: Stack, on: Apis, held: Secrets, function: Function, member: Any) -> list[Any]:
    """One grant for each retailer's secret of the kinds that the function needs, on that secret."""
    return [
        gcp.secretmanager.SecretIamMember(
            f"{function.service}-{retailer.id}-{need.kind.value}",
            project=stack.project,
            secret_id=held[need.kind, retailer.id].secret.secret_id,
            role=ACCESSOR,
            member=member,
            opts=on.on(apis.SECRETS),
        )
        for need in needs(function, RetailerSecret)
        for retailer in stack.retailers
    ]
