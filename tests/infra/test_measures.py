"""What functions' log lines become: a metric for each declared measure, an alert for each declared alarm."""

from __future__ import annotations

from typing import Any

import pytest

from layers.declarations import Alarm, Function, Http, Measure, Schedule, Severity


def _metrics(looked: Any) -> dict[str, dict[str, Any]]:
    return {inputs["name"]: inputs for inputs in looked.inputs("metric:Metric")}


def test_a_metric_a_measure_of_the_functions_own_lines(looked: Any) -> None:
    metrics = _metrics(looked)
    assert set(metrics) == {f"{f.service}/{measure.name}" for f in looked.functions for measure in f.measures}
    for function in looked.functions:
        for measure in function.measures:
            made = metrics[f"{function.service}/{measure.name}"]
            assert f'resource.labels.service_name="{function.service}"' in made["filter"]
            assert made["filter"].endswith(f'jsonPayload.message="{measure.message}"')
            labels = {label["key"] for label in made["metricDescriptor"]["labels"]}
            assert labels == set(made["labelExtractors"]) == set(measure.labels)
            kinds = ("DELTA", "DISTRIBUTION" if measure.number else "INT64")
            assert (made["metricDescriptor"]["metricKind"], made["metricDescriptor"]["valueType"]) == kinds
            # Google refuses an extractor without a distribution, and a distribution without one or without buckets.
            assert made.get("valueExtractor") == (f"EXTRACT(jsonPayload.{measure.number})" if measure.number else None)
            assert ("bucketOptions" in made) == bool(measure.number)


def test_an_alert_an_alarm_on_a_metric_that_exists(looked: Any) -> None:
    metrics = {r["inputs"]["name"]: r["urn"] for r in looked.of("metric:Metric")}
    alerts = {r["inputs"]["displayName"]: r for r in looked.of("alertPolicy:AlertPolicy")}
    alarms = [(function, alarm) for function in looked.functions for alarm in function.alarms]
    assert alarms
    for function, alarm in alarms:
        resource = alerts[f"Gondola: {alarm.says}"]
        made = resource["inputs"]
        (condition,) = made["conditions"]
        absent = 0 < alarm.silent_s <= 84_600  # Monitoring looks back for 23 and a half hours at most
        held = condition["conditionAbsent" if absent else "conditionThreshold"]
        name = f"{function.service}/{alarm.measure}"
        assert f'metric.type="logging.googleapis.com/user/{name}"' in held["filter"]
        assert metrics[name] in resource["depends_on"], "Monitoring refuses an alert on a metric that is not there"
        assert (made["severity"], made["documentation"]["content"]) == (alarm.severity.value, alarm.remedy)
        for value in alarm.among:
            assert f'metric.labels.{alarm.label}=one_of("{alarm.among[0]}"' in held["filter"]
            assert f'"{value}"' in held["filter"]
        # Each revision of a service is a series of its own: taken singly, an old one would be silent for ever.
        assert held["aggregations"][0]["crossSeriesReducer"] == "REDUCE_SUM"
        if absent:
            assert held["duration"] == f"{alarm.silent_s}s" and alarm.silent_s % 60 == 0
        elif alarm.silent_s:
            assert (held["comparison"], held["thresholdValue"]) == ("COMPARISON_LT", 1)
            assert held["aggregations"][0]["alignmentPeriod"] == f"{alarm.silent_s}s"
            assert held["evaluationMissingData"] == "EVALUATION_MISSING_DATA_ACTIVE" and held["duration"] != "0s"


def test_reconciliation_is_heard_when_something_is_missing_stays_missing_or_nobody_looks(dev: Any) -> None:
    (function,) = [f for f in dev.functions if f.name == "reconciliation"]
    assert {alarm.name: alarm.among for alarm in function.alarms} == {
        "missing": ("dispatched", "waiting"),
        "incomplete": ("incomplete",),
        "silent": (),
    }
    assert {measure.number for measure in function.measures} >= {"stored", "cooled", "missing", "dispatched"}


def test_what_runs_once_a_day_is_missed_after_a_day_and_an_hour(dev: Any) -> None:
    """Where a function counts its daily runs, an alarm waits for longer than a day, or it would fire every day."""
    for function in dev.functions:
        cron = function.trigger.cron.split() if isinstance(function.trigger, Schedule) else []
        if cron and all(part.isdigit() for part in cron[:2]):
            assert all(not alarm.silent_s or alarm.silent_s > 86_400 for alarm in function.alarms), function.name
    (purge,) = [f for f in dev.functions if f.name == "retention_purge"]
    assert [alarm.name for alarm in purge.alarms if alarm.silent_s] == ["deadlines-unwatched"]


def _function(measures: tuple[Measure, ...], *alarms: Alarm) -> Function:
    return Function("watched", "", Schedule("0 0 * * *"), measures=measures, alarms=alarms)


LINES, NUMBERS = Measure("lines", "said", labels=("status",)), Measure("numbers", "said", number="missing")
ALARM = Alarm("bad", "lines", Severity.ERROR, "", "", "status", ("bad",))


@pytest.mark.parametrize(
    ("measures", "alarms"),
    [
        ((NUMBERS,), (ALARM,)),
        ((LINES, NUMBERS), (Alarm("bad", "numbers", Severity.ERROR, "", ""),)),
        ((LINES,), (Alarm("bad", "lines", Severity.ERROR, "", "", "retailer", ("demo",)),)),
        ((LINES,), (Alarm("bad", "lines", Severity.ERROR, "", "", silent_s=90_060),)),
    ],
)
def test_an_alarm_that_could_never_fire_is_refused(measures: tuple[Measure, ...], alarms: tuple[Alarm, ...]) -> None:
    with pytest.raises(ValueError, match="would never fire"):
        _function(measures, *alarms)


def test_names_are_unique_in_a_function() -> None:
    assert _function((LINES, NUMBERS), ALARM).alarms == (ALARM,)
    with pytest.raises(ValueError, match="share a name"):
        _function((LINES, LINES))
    with pytest.raises(ValueError, match="share a name"):
        _function((LINES,), ALARM, ALARM)


def test_what_browsers_send_is_not_logged_by_cloud_run(looked: Any) -> None:
    """Network addresses, sessions and events, for thirty days and out of any erasure's reach."""
    (made,) = looked.inputs("projectExclusion:ProjectExclusion")
    public = {f.service for f in looked.functions if isinstance(f.trigger, Http) and f.trigger.public}
    assert public >= {"ingest", "experiences"} and made["disabled"] is False
    named = made["filter"].partition("service_name=(")[2].partition(")")[0]
    assert {name.strip('"') for name in named.split(" OR ")} == public
    assert made["filter"].endswith('AND log_id("run.googleapis.com/requests")')
