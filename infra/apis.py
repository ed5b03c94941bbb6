"""Google's APIs, switched on before anything needs them.

Every resource names the API it stands on, so that a first deployment into an empty project works in one run.
"""

from __future__ import annotations

from collections.abc import Iterable

import pulumi
import pulumi_gcp as gcp

from infra.configuration import Stack

ARTIFACTS, BIGQUERY, BIGTABLE, BIGTABLE_ADMIN = "artifactregistry", "bigquery", "bigtable", "bigtableadmin"
BUILDS, FIRESTORE, IAM, KMS = "cloudbuild", "firestore", "iam", "cloudkms"
LOGGING, MONITORING = "logging", "monitoring"
PROJECTS, PUBSUB, RUN, SCHEDULER = "cloudresourcemanager", "pubsub", "run", "cloudscheduler"
SECRETS, STORAGE = "secretmanager", "storage"

_ALL = (
    ARTIFACTS,
    BIGQUERY,
    BIGTABLE,
    BIGTABLE_ADMIN,
    BUILDS,
    FIRESTORE,
    IAM,
    KMS,
    LOGGING,
    MONITORING,
    PROJECTS,
    PUBSUB,
    RUN,
    SCHEDULER,
    SECRETS,
    STORAGE,
)


class Apis:
    """The enabled APIs, and the options of a resource that stands on one."""

    def __init__(self, stack: Stack) -> None:
        self._services = {
            name: gcp.projects.Service(
                name,
                project=stack.project,
                service=f"{name}.googleapis.com",
                # Another program may use the API too: leaving this stack must not switch it off.
                disable_on_destroy=False,
                disable_dependent_services=False,
            )
            for name in _ALL
        }

    def on(
        self,
        api: str,
        after: Iterable[pulumi.Resource] = (),
        *,
        protect: bool = False,
        ignore_changes: list[str] | None = None,
    ) -> pulumi.ResourceOptions:
        """Options of a resource of `api`, made after these others.

        Args:
            protect: Pulumi refuses to delete or replace it.
        """
        return pulumi.ResourceOptions(
            depends_on=[self._services[api], *after], protect=protect, ignore_changes=ignore_changes
        )
