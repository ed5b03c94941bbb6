"""Who hears that a message could not be delivered: one alert for each dead letter."""

from __future__ import annotations

from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from layers.stores.topics import DEAD_LETTER_DAYS


def dead_letter(stack: Stack, on: Apis, name: str, kept: Any) -> None:
    """An alert while the subscription holds a message.

    Args:
        name: of the dead letter's subscription. kept: that subscription.
    """
    gcp.monitoring.AlertPolicy(
        name,
        project=stack.project,
        display_name=f"Gondola: undelivered messages in {name}",
        combiner="OR",
        enabled=True,
        severity="ERROR",
        conditions=[
            gcp.monitoring.AlertPolicyConditionArgs(
                display_name="holds a message",
                condition_threshold=gcp.monitoring.AlertPolicyConditionConditionThresholdArgs(
                    filter=kept.name.apply(
                        lambda subscription: (
                            'metric.type="pubsub.googleapis.com/subscription/num_undelivered_messages" '
                            'resource.type="pubsub_subscription" '
                            f'resource.label."subscription_id"="{subscription}"'
                        )
                    ),
                    comparison="COMPARISON_GT",
                    threshold_value=0,
                    duration="0s",
                    aggregations=[
                        gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
                            alignment_period="300s", per_series_aligner="ALIGN_MAX"
                        )
                    ],
                ),
            )
        ],
        documentation=gcp.monitoring.AlertPolicyDocumentationArgs(
            mime_type="text/markdown",
            content=f"Messages that no attempt could deliver wait here for {DEAD_LETTER_DAYS} days. Read the "
            "function's log for the reason, correct it, then publish them again to the topic.",
        ),
        notification_channels=list(stack.notification_channels),
        opts=on.on(apis.MONITORING),
    )
