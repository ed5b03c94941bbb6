"""Declaration: learns weekly, from what shoppers did after earlier days, what they will do next."""

from layers.declarations import (
    Access,
    Alarm,
    Dataset,
    Function,
    LegalBasis,
    Measure,
    Scale,
    Schedule,
    Severity,
    Topic,
)

_LINE = "training ended"
"""The message of the log line that each retailer's training leaves."""

FUNCTION = Function(
    name="training",
    purpose="Trains the models that shoppers are scored with, and takes them into use only when they are no worse.",
    trigger=Schedule(cron="45 4 * * *"),
    needs=(Dataset(Access.WRITE, in_bulk=True), Topic("models-built")),
    scale=Scale(max_instances=1, cpu=2, memory="4Gi", timeout_s=1800),
    measures=(Measure("trainings", _LINE, labels=("retailer", "status")),),
    alarms=(
        Alarm(
            "refused",
            "trainings",
            Severity.WARNING,
            "new models are worse than those in use, or no good",
            "The ones in use stay. The log line says which question and why: look whether the data of the last weeks "
            "are whole (functions/modelling tests them), then fire the job again; ?force=true takes them anyway.",
            label="status",
            among=("refused",),
        ),
        Alarm(
            "failed",
            "trainings",
            Severity.ERROR,
            "models of a retailer could not be trained",
            "The ones in use stay; without any, shoppers are scored by how often they buy. Read the function's log, "
            "mend it and fire the job again.",
            label="status",
            among=("failed",),
        ),
        Alarm(
            "silent",
            "trainings",
            Severity.ERROR,
            "nobody looked for a day whether models are due",
            "The daily run of training did not happen. Look at the Cloud Scheduler job `training` and fire it.",
            silent_s=25 * 3600,
        ),
    ),
    bases=(LegalBasis.CONSENT,),
)
