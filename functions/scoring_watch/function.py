"""Declaration: a scoring run that stands still is resumed, and somebody is told."""

from layers.declarations import (
    Access,
    Alarm,
    Documents,
    Function,
    LegalBasis,
    Measure,
    Scale,
    Schedule,
    Severity,
    Topic,
)

_WATCHED = "run watched"
"""The message of the log line that each look at a retailer leaves."""

FUNCTION = Function(
    name="scoring_watch",
    purpose="Sees that every retailer's scoring run comes to its end, and resumes the one that does not.",
    trigger=Schedule(cron="40 * * * *"),
    needs=(Documents(Access.READ), Topic("models-built")),
    scale=Scale(max_instances=1, timeout_s=300),
    measures=(Measure("runs", _WATCHED, labels=("retailer", "verdict")),),
    alarms=(
        Alarm(
            "late",
            "runs",
            Severity.ERROR,
            "a scoring run is not finished in time",
            "Its missing shards were published again. If the next hour says so once more, read scoring's log and "
            "its dead letter; `python -m functions.scoring status --retailer ID` tells how far the run has come.",
            label="verdict",
            among=("late",),
        ),
        Alarm(
            "missing",
            "runs",
            Severity.ERROR,
            "no scoring run was planned last night",
            "Shoppers keep the parameters of an earlier night. Modelling did not publish `models-built`: its run "
            "log says which model or which test of the data failed.",
            label="verdict",
            among=("missing",),
        ),
    ),
    bases=(LegalBasis.INTEREST,),
)
