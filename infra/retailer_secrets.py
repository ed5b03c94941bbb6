"""Each retailer's secrets, made by the machine: nobody types one, nobody sees one, none changes by accident.

A pseudonym key that changed would part every shopper from their past, so versions are never replaced by an update. One
that takes another's place is a secret of its own beside it (layers/privacy/README.md): each can be destroyed alone.
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
from layers.retailers import Retailer

ACCESSOR = "roles/secretmanager.secretAccessor"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret and the version that functions use."""

    secret: Any
    version: Any


Secrets = dict[tuple[SecretKind, str, int], Secret]
"""By kind, retailer and version."""


def versions(kind: SecretKind, retailer: Retailer) -> tuple[int, ...]:
    """Those in use at the same time."""
    return tuple(key.version for key in retailer.pseudonym_keys) if kind is SecretKind.PSEUDONYM_KEY else (1,)


def _name(kind: SecretKind, retailer: Retailer, version: int) -> str:
    return f"{retailer.id}-{kind.value}" + (f"-{version}" if version > 1 else "")


def secrets(stack: Stack, on: Apis) -> Secrets:
    """One secret for each kind, retailer and version."""
    return {
        (kind, retailer.id, version): _secret(stack, on, _name(kind, retailer, version))
        for retailer in stack.retailers
        for kind in SecretKind
        for version in versions(kind, retailer)
    }


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
            f"{function.service}-{_name(need.kind, retailer, version)}",
            project=stack.project,
            secret_id=held[need.kind, retailer.id, version].secret.secret_id,
            role=ACCESSOR,
            member=member,
            opts=on.on(apis.SECRETS),
        )
        for need in needs(function, RetailerSecret)
        for retailer in stack.retailers
        for version in versions(need.kind, retailer)
    ]
