"""What Cloud Run writes down of each request by itself, and is not to keep: those of the public services.

A line holds the sender's network address and the address that was asked for; a page's names its session and its newest
event. Nobody needs them, no erasure could find them, and they would stay for thirty days. Metrics of requests are made
without them, and what a function itself prints stays. Does not own the private services' lines: who asked for an
erasure is to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from layers.declarations import Function, Http


def unlogged(functions: Sequence[Function]) -> tuple[str, ...]:
    """The services whose requests are not logged."""
    public = (f.service for f in functions if isinstance(f.trigger, Http) and f.trigger.public)
    return tuple(sorted(public))


def request_logs(stack: Stack, on: Apis, functions: Sequence[Function]) -> None:
    services = unlogged(functions)
    if not services:
        return
    names = " OR ".join(f'"{service}"' for service in services)
    gcp.logging.ProjectExclusion(
        "public-requests",
        project=stack.project,
        name="public-requests",
        description="Requests of shoppers' browsers: their network addresses, sessions and events are not kept.",
        filter=(
            f'resource.type="cloud_run_revision" AND resource.labels.service_name=({names}) '
            'AND log_id("run.googleapis.com/requests")'
        ),
        disabled=False,
        opts=on.on(apis.LOGGING),
    )
