"""Declaration: what was cooled becomes what can be learned from, every night."""

from layers.declarations import (
    Access,
    Alarm,
    Dataset,
    Documents,
    Function,
    LegalBasis,
    Measure,
    Scale,
    Schedule,
    Severity,
    Topic,
)

_RUN = "models run"
"""The message of the log line that a retailer's run leaves."""

FUNCTION = Function(
    name="modelling",
    purpose="Builds and tests the models of every retailer's cold data, from which shoppers are scored.",
    trigger=Schedule(cron="0 3 * * *"),
    needs=(Dataset(Access.WRITE), Documents(Access.WRITE), Topic("models-built")),
    scale=Scale(max_instances=1, cpu=2, memory="2Gi", timeout_s=1800),
    measures=(
        Measure("runs", _RUN, labels=("retailer", "status")),
        Measure("seconds", _RUN, number="seconds", labels=("retailer",)),
        Measure("bytes", _RUN, number="bytes", labels=("retailer",)),
        Measure("model_bytes", "model done", number="bytes", labels=("model",)),
    ),
    alarms=(
        Alarm(
            "refused",
            "runs",
            Severity.ERROR,
            "a test of the data failed, so nobody is scored from it",
            "Shoppers keep the parameters of an earlier night. The run's document in `model_runs` names the test and "
            "how many rows it found; functions/modelling/project says what it asks. Mend the data, then fire the job "
            "`modelling` again.",
            label="status",
            among=("refused",),
        ),
        Alarm(
            "failed",
            "runs",
            Severity.ERROR,
            "the models of a retailer could not be built",
            "Shoppers keep the parameters of an earlier night. The run's document in `model_runs` names the model and "
            "BigQuery's job, which says why. Scheduler tries three times within the hour; then fire the job again.",
            label="status",
            among=("failed",),
        ),
        Alarm(
            "silent",
            "runs",
            Severity.ERROR,
            "no models were built since yesterday",
            "The nightly run of modelling did not happen, or broke off before the end of its first retailer. Look at "
            "the Cloud Scheduler job `modelling` and at the function's log, and fire the job; it may be repeated.",
            silent_s=25 * 3600,
        ),
    ),
    bases=(LegalBasis.CONSENT,),
)
