"""What a function's own log lines tell: a metric for each measure that it declares, and an alert for each alarm.

Does not own the words (`layers.declarations`) nor the lines: Cloud Run collects what a function prints.
"""

from __future__ import annotations

from typing import Any

import pulumi_gcp as gcp

from infra import apis
from infra.apis import Apis
from infra.configuration import Stack
from layers.declarations import Alarm, Function, Measure

SETTLES_S = 600
"""Lines reach a metric within minutes; an alarm that looks at less would miss what comes late."""

_ABSENCE_S = 84_600
"""A condition of absence looks back for 23.5 hours at most («Create metric-absence alerting policies»), so it would
fire every day on what happens once a day."""

_RETEST_S = 1800


def measures(stack: Stack, on: Apis, function: Function) -> None:
    """The function's metrics, and the alerts that stand on them."""
    made = {measure.name: _metric(stack, on, function, measure) for measure in function.measures}
    for alarm in function.alarms:
        _alert(stack, on, function, alarm, made[alarm.measure])


def _metric(stack: Stack, on: Apis, function: Function, measure: Measure) -> Any:
    number = measure.number
    return gcp.logging.Metric(
        f"{function.service}-{measure.name}",
        project=stack.project,
        name=f"{function.service}/{measure.name}",
        description=f"Of {function.name}: {number or 'lines'} in {measure.message!r}.",
        filter=(
            f'resource.type="cloud_run_revision" AND resource.labels.service_name="{function.service}" '
            f'AND jsonPayload.message="{measure.message}"'
        ),
        disabled=False,
        metric_descriptor=gcp.logging.MetricMetricDescriptorArgs(
            metric_kind="DELTA",
            value_type="DISTRIBUTION" if number else "INT64",
            unit="1",
            labels=[
                gcp.logging.MetricMetricDescriptorLabelArgs(key=label, value_type="STRING", description="")
                for label in measure.labels
            ],
        ),
        label_extractors={label: f"EXTRACT(jsonPayload.{label})" for label in measure.labels},
        value_extractor=f"EXTRACT(jsonPayload.{number})" if number else None,
        # What is read is the distribution's sum; the buckets only say whether it was tens or millions.
        bucket_options=gcp.logging.MetricBucketOptionsArgs(
            exponential_buckets=gcp.logging.MetricBucketOptionsExponentialBucketsArgs(
                num_finite_buckets=9, growth_factor=10, scale=1
            )
        )
        if number
        else None,
        opts=on.on(apis.LOGGING),
    )


def _alert(stack: Stack, on: Apis, function: Function, alarm: Alarm, metric: Any) -> None:
    gcp.monitoring.AlertPolicy(
        f"{function.service}-{alarm.name}",
        project=stack.project,
        display_name=f"Gondola: {alarm.says}",
        combiner="OR",
        enabled=True,
        severity=alarm.severity.value,
        conditions=[_condition(alarm, metric)],
        documentation=gcp.monitoring.AlertPolicyDocumentationArgs(mime_type="text/markdown", content=alarm.remedy),
        notification_channels=list(stack.notification_channels),
        # Monitoring refuses an alert on a metric that does not exist yet.
        opts=on.on(apis.MONITORING, [metric]),
    )


def _filter(alarm: Alarm, metric: Any) -> Any:
    among = ", ".join(f'"{value}"' for value in alarm.among)
    only = f" AND metric.labels.{alarm.label}=one_of({among})" if alarm.label else ""
    return metric.name.apply(
        lambda name: f'resource.type="cloud_run_revision" AND metric.type="logging.googleapis.com/user/{name}"{only}'
    )


def _condition(alarm: Alarm, metric: Any) -> Any:
    if not alarm.silent_s:
        return _lines(alarm, metric)
    return _silence(alarm, metric) if alarm.silent_s <= _ABSENCE_S else _too_few(alarm, metric)


def _too_few(alarm: Alarm, metric: Any) -> Any:
    """Less than one line in all of the time, where no data at all is too few as well."""
    return gcp.monitoring.AlertPolicyConditionArgs(
        display_name=alarm.says,
        condition_threshold=gcp.monitoring.AlertPolicyConditionConditionThresholdArgs(
            filter=_filter(alarm, metric),
            comparison="COMPARISON_LT",
            threshold_value=1,
            duration=f"{_RETEST_S}s",
            evaluation_missing_data="EVALUATION_MISSING_DATA_ACTIVE",
            aggregations=[
                gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
                    alignment_period=f"{alarm.silent_s}s",
                    per_series_aligner="ALIGN_DELTA",
                    cross_series_reducer="REDUCE_SUM",
                )
            ],
        ),
    )


def _lines(alarm: Alarm, metric: Any) -> Any:
    return gcp.monitoring.AlertPolicyConditionArgs(
        display_name=alarm.says,
        condition_threshold=gcp.monitoring.AlertPolicyConditionConditionThresholdArgs(
            filter=_filter(alarm, metric),
            comparison="COMPARISON_GT",
            threshold_value=0,
            duration="0s",
            aggregations=[
                gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs(
                    alignment_period=f"{SETTLES_S}s",
                    per_series_aligner="ALIGN_DELTA",
                    cross_series_reducer="REDUCE_SUM",
                )
            ],
        ),
    )


def _silence(alarm: Alarm, metric: Any) -> Any:
    return gcp.monitoring.AlertPolicyConditionArgs(
        display_name=alarm.says,
        condition_absent=gcp.monitoring.AlertPolicyConditionConditionAbsentArgs(
            filter=_filter(alarm, metric),
            duration=f"{alarm.silent_s}s",
            aggregations=[
                gcp.monitoring.AlertPolicyConditionConditionAbsentAggregationArgs(
                    alignment_period=f"{SETTLES_S}s",
                    per_series_aligner="ALIGN_DELTA",
                    # Every deployment is a revision with a series of its own, and the old one falls silent for good.
                    cross_series_reducer="REDUCE_SUM",
                )
            ],
        ),
    )
