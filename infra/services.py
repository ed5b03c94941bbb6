"""Cloud Run: each function's archive in the bucket, its service, and who may call it."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.archives import Archive
from infra.configuration import Stack
from infra.images import base_image
from infra.retailer_secrets import Secret
from layers.declarations import Function, Http

INVOKER = "roles/run.invoker"
EVERYBODY = "allUsers"
_PORT = 8080


def ingress(function: Function) -> str:
    """Push and schedules come from inside; whoever calls over HTTPS, from outside, and IAM decides who may."""
    return "INGRESS_TRAFFIC_ALL" if isinstance(function.trigger, Http) else "INGRESS_TRAFFIC_INTERNAL_ONLY"


def archive_object(on: Apis, bucket: Any, archive: Archive) -> Any:
    """The archive in the bucket, under a name that holds its digest: a change of code is a change of name."""
    return gcp.storage.BucketObject(
        archive.function,
        bucket=bucket.name,
        name=archive.name,
        source=pulumi.FileAsset(str(archive.path)),
        content_type="application/zip",
        storage_class="STANDARD",
        opts=on.on(apis.STORAGE),
    )


def service(
    stack: Stack,
    on: Apis,
    function: Function,
    *,
    source: pulumi.Output[str],
    image: str,
    runs_as: Any,
    builds_as: Any,
    values: dict[str, pulumi.Input[str]],
    secrets: dict[str, Secret],
    after: list[Any],
) -> Any:
    """The function's service.

    Args:
        source: `gs://` address of its archive. image: what is built from it.
        after: the grants it cannot start without.
    """
    scale = function.scale
    envs = [gcp.cloudrunv2.ServiceTemplateContainerEnvArgs(name=name, value=value) for name, value in values.items()]
    envs += [
        gcp.cloudrunv2.ServiceTemplateContainerEnvArgs(
            name=name,
            value_source=gcp.cloudrunv2.ServiceTemplateContainerEnvValueSourceArgs(
                secret_key_ref=gcp.cloudrunv2.ServiceTemplateContainerEnvValueSourceSecretKeyRefArgs(
                    secret=held.secret.secret_id, version=held.version.version
                )
            ),
        )
        for name, held in secrets.items()
    ]
    return gcp.cloudrunv2.Service(
        function.service,
        project=stack.project,
        location=stack.region,
        name=function.service,
        description=function.purpose,
        launch_stage="GA",
        ingress=ingress(function),
        invoker_iam_disabled=False,
        default_uri_disabled=False,
        deletion_protection=stack.protected,
        build_config=gcp.cloudrunv2.ServiceBuildConfigArgs(
            function_target=function.name,
            source_location=source,
            image_uri=image,
            base_image=base_image(stack),
            enable_automatic_updates=True,
            service_account=builds_as.name,
        ),
        template=gcp.cloudrunv2.ServiceTemplateArgs(
            service_account=runs_as.email,
            execution_environment="EXECUTION_ENVIRONMENT_GEN2",
            max_instance_request_concurrency=scale.concurrency,
            timeout=f"{scale.timeout_s}s",
            session_affinity=False,
            scaling=gcp.cloudrunv2.ServiceTemplateScalingArgs(
                min_instance_count=scale.min_instances, max_instance_count=scale.max_instances
            ),
            containers=[
                gcp.cloudrunv2.ServiceTemplateContainerArgs(
                    name="function",
                    image=image,
                    base_image_uri=base_image(stack),
                    ports=gcp.cloudrunv2.ServiceTemplateContainerPortsArgs(name="http1", container_port=_PORT),
                    envs=envs,
                    resources=gcp.cloudrunv2.ServiceTemplateContainerResourcesArgs(
                        limits={"cpu": str(scale.cpu), "memory": scale.memory},
                        cpu_idle=not scale.cpu_always,
                        startup_cpu_boost=scale.startup_boost,
                    ),
                    # Cloud Run's own probe asks every 240 s; a shopper who waits for a new instance should not.
                    startup_probe=gcp.cloudrunv2.ServiceTemplateContainerStartupProbeArgs(
                        initial_delay_seconds=0,
                        period_seconds=1,
                        timeout_seconds=1,
                        failure_threshold=120,
                        tcp_socket=gcp.cloudrunv2.ServiceTemplateContainerStartupProbeTcpSocketArgs(port=_PORT),
                    ),
                )
            ],
        ),
        traffics=[gcp.cloudrunv2.ServiceTrafficArgs(type="TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", percent=100)],
        opts=on.on(apis.RUN, after),
    )


def invoker(stack: Stack, on: Apis, name: str, target: Any, member: Any) -> Any:
    """Lets somebody call a service.

    Args:
        name: of the grant, unique in the stack. target: the service.
    """
    return gcp.cloudrunv2.ServiceIamMember(
        name,
        project=stack.project,
        location=stack.region,
        name=target.name,
        role=INVOKER,
        member=member,
        opts=on.on(apis.RUN),
    )
