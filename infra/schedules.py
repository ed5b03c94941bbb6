"""Cloud Scheduler: one job for each scheduled function, of its service's name."""

from __future__ import annotations

from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from layers.declarations import Function, Schedule


def schedule(stack: Stack, on: Apis, function: Function, service: Any, caller: Any, invoker: Any) -> None:
    """The job that calls a scheduled function.

    Args:
        caller: the account in whose name it calls. invoker: the grant that lets it.
    """
    trigger = function.trigger
    assert isinstance(trigger, Schedule)
    gcp.cloudscheduler.Job(
        function.service,
        project=stack.project,
        region=stack.region,
        name=function.service,
        description=function.purpose,
        schedule=trigger.cron,
        time_zone=trigger.timezone,
        paused=False,
        attempt_deadline=f"{trigger.attempt_deadline_s}s",
        # Scheduled work is safe to repeat; three tries within the hour, and then the next run finds what is left.
        retry_config=gcp.cloudscheduler.JobRetryConfigArgs(
            retry_count=3,
            min_backoff_duration="30s",
            max_backoff_duration="600s",
            max_doublings=4,
            max_retry_duration="3600s",
        ),
        http_target=gcp.cloudscheduler.JobHttpTargetArgs(
            uri=service.uri,
            http_method="POST",
            oidc_token=gcp.cloudscheduler.JobHttpTargetOidcTokenArgs(
                service_account_email=caller.email, audience=service.uri
            ),
        ),
        opts=on.on(apis.SCHEDULER, [invoker]),
    )
