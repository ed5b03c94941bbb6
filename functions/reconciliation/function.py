"""Declaration: stored and cooled are compared, and what is missing is dispatched again."""

from layers.declarations import (
    Access,
    Alarm,
    Dataset,
    Documents,
    Function,
    HotTable,
    LegalBasis,
    Measure,
    Scale,
    Schedule,
    Severity,
    Topic,
)

_COMPARED = "reconciled"
"""The message of the log line that each compared hour leaves."""

FUNCTION = Function(
    name="reconciliation",
    purpose="Compares what is stored with what is cooled, hour by hour, and dispatches again what is missing.",
    trigger=Schedule(cron="17 * * * *"),
    needs=(
        HotTable("arrivals", Access.READ),
        HotTable("events", Access.READ),
        Dataset(Access.READ),
        Documents(Access.WRITE),
        Topic("shopper-events"),
    ),
    scale=Scale(max_instances=1, memory="1Gi", timeout_s=1800),
    measures=(
        *(Measure(n, _COMPARED, number=n, labels=("retailer",)) for n in ("stored", "cooled", "missing", "dispatched")),
        Measure("hours", _COMPARED, labels=("retailer", "status")),
        Measure("runs", "all reconciled"),
    ),
    alarms=(
        Alarm(
            "missing",
            "hours",
            Severity.WARNING,
            "events are stored and not cooled",
            "They were dispatched again (status `dispatched`), or cooling does not keep up and none was (`waiting`). "
            "Read cooling's log and look whether its dead letter holds messages. The next run tells what is left.",
            label="status",
            among=("dispatched", "waiting"),
        ),
        Alarm(
            "incomplete",
            "hours",
            Severity.CRITICAL,
            "events stay missing however often they are dispatched",
            "Cooling refuses them, or is down: the collection `quarantine` names the rule that was broken. Once it is "
            "mended, delete the hour's document in `reconciliations` within three days of the hour, and run the job.",
            label="status",
            among=("incomplete",),
        ),
        Alarm(
            "silent",
            "runs",
            Severity.ERROR,
            "nobody compares stored with cooled",
            "No run has come to its end for three hours. Read the function's log; the journal of arrivals lasts three "
            "days, and what was not compared by then never is.",
            silent_s=3 * 3600,
        ),
    ),
    bases=(LegalBasis.INTEREST,),
)
