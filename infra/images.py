"""From archive to image: where both lie, the build, and what its account may do: read the one, write the other, log."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_command as command
import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from layers.declarations import Function

LOGS = "roles/logging.logWriter"


def base_image(stack: Stack) -> str:
    """Google's Python 3.11 runtime, whose security updates Cloud Run applies without a build."""
    return f"{stack.region}-docker.pkg.dev/serverless-runtimes/google-22-full/runtimes/python311"


@dataclass(frozen=True, slots=True)
class Images:
    """`address` is the repository's, without the image; `grants` are what a build needs."""

    bucket: Any
    address: str
    grants: list[Any]


def images(stack: Stack, on: Apis, builder: Any) -> Images:
    bucket = gcp.storage.Bucket(
        "archives",
        project=stack.project,
        name=f"{stack.project}-archives",
        location=stack.region,
        storage_class="STANDARD",
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        force_destroy=not stack.protected,
        versioning=gcp.storage.BucketVersioningArgs(enabled=True),
        # A deployment removes the archive it replaces; thirty days are left to go back to it.
        lifecycle_rules=[
            gcp.storage.BucketLifecycleRuleArgs(
                action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
                condition=gcp.storage.BucketLifecycleRuleConditionArgs(
                    days_since_noncurrent_time=30, with_state="ARCHIVED"
                ),
            )
        ],
        soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=0),
        opts=on.on(apis.STORAGE),
    )
    repository = gcp.artifactregistry.Repository(
        "functions",
        project=stack.project,
        location=stack.region,
        repository_id="functions",
        description="Images of the functions, built from their archives",
        format="DOCKER",
        mode="STANDARD_REPOSITORY",
        docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=False),
        cleanup_policy_dry_run=False,
        opts=on.on(apis.ARTIFACTS),
    )
    grants = [
        gcp.storage.BucketIAMMember(
            "builds-archives",
            bucket=bucket.name,
            role="roles/storage.objectViewer",
            member=builder.member,
            opts=on.on(apis.STORAGE),
        ),
        gcp.artifactregistry.RepositoryIamMember(
            "builds-functions",
            project=stack.project,
            location=stack.region,
            repository=repository.name,
            role="roles/artifactregistry.writer",
            member=builder.member,
            opts=on.on(apis.ARTIFACTS),
        ),
        # Logs have no resource smaller than the project; a writer of logs can read nothing.
        gcp.projects.IAMMember(
            "builds-logs", project=stack.project, role=LOGS, member=builder.member, opts=on.on(apis.PROJECTS)
        ),
    ]
    return Images(bucket, f"{stack.region}-docker.pkg.dev/{stack.project}/functions", grants)


def build(
    stack: Stack,
    on: Apis,
    root: Path,
    function: Function,
    archive: Any,
    image: str,
    builder: Any,
    grants: list[Any],
) -> Any:
    """The build of a function's image, by `infra.image_build`, run again only when the archive has changed.

    Args:
        root: of the repository. archive: its object in the bucket. grants: what the builder needs.
    """

    def order(bucket: str, name: str, account: str) -> str:
        given = {
            "project": stack.project,
            "region": stack.region,
            "bucket": bucket,
            "object": name,
            "image": image,
            "target": function.name,
            "base-image": base_image(stack),
            "builder": account,
        }
        return f".venv/bin/python -m infra.image_build {shlex.join(f'--{key}={value}' for key, value in given.items())}"

    return command.local.Command(
        f"build-{function.service}",
        create=pulumi.Output.all(archive.bucket, archive.name, builder.name).apply(lambda known: order(*known)),
        dir=str(root),
        # The same order from another person's clone is the same order.
        opts=on.on(apis.BUILDS, [archive, *grants], ignore_changes=["dir"]),
    )
