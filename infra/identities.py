"""Who acts: a service account for each function, each push and each schedule, one for builds, and Pub/Sub's own agent.

No default service account is used anywhere: it may do everything in the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from layers.declarations import Function, Push, Schedule


@dataclass(frozen=True, slots=True)
class Identities:
    """`runs` are the functions' accounts by function name; `calls` the push or schedule accounts that invoke them."""

    runs: dict[str, Any]
    calls: dict[str, Any]
    builds: Any
    pubsub_agent: Any


def account(stack: Stack, on: Apis, account_id: str, display_name: str) -> Any:
    return gcp.serviceaccount.Account(
        account_id,
        project=stack.project,
        account_id=account_id,
        display_name=display_name,
        create_ignore_already_exists=False,
        disabled=False,
        opts=on.on(apis.IAM),
    )


def identities(stack: Stack, on: Apis, functions: tuple[Function, ...]) -> Identities:
    runs = {f.name: account(stack, on, f"run-{f.service}", f"Runs {f.name}: {f.purpose}"[:100]) for f in functions}
    calls = {}
    for function in functions:
        if isinstance(function.trigger, Push):
            calls[function.name] = account(
                stack, on, f"push-{function.service}", f"Pub/Sub, when it calls {function.name}"
            )
        elif isinstance(function.trigger, Schedule):
            calls[function.name] = account(
                stack, on, f"job-{function.service}", f"Cloud Scheduler, when it calls {function.name}"
            )
    agent = gcp.projects.ServiceIdentity(
        "pubsub", project=stack.project, service="pubsub.googleapis.com", opts=on.on(apis.PUBSUB)
    )
    return Identities(runs, calls, account(stack, on, "builds", "Builds the functions' images"), agent)
