"""Declaration: every night the decisions of the day before are made again and compared."""

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
)

_REPLAYED = "replayed"
"""The message of the log line that each retailer's day leaves."""

FUNCTION = Function(
    name="replay",
    purpose="Decides the day before again, from stored events and versions, and compares with what was logged.",
    # Before scoring at 03:30: of a shopper's parameters three versions are kept, and the day before knew two of them.
    trigger=Schedule(cron="50 2 * * *"),
    needs=(
        HotTable("events", Access.READ),
        HotTable("shoppers", Access.READ),
        Dataset(Access.READ),
        Documents(Access.READ),
    ),
    scale=Scale(max_instances=1, memory="1Gi", timeout_s=1800),
    measures=(
        *(Measure(n, _REPLAYED, number=n, labels=("retailer",)) for n in ("compared", "different")),
        Measure("excused", "excused", number="decisions", labels=("retailer", "rule")),
        Measure("days", _REPLAYED, labels=("retailer", "status")),
        Measure("runs", "all replayed"),
    ),
    alarms=(
        Alarm(
            "different",
            "days",
            Severity.ERROR,
            "a decision is not what its events, its tree and its parameters make of it",
            "Either decisioning has lost an event or decided wrongly, or something that was stored was changed. The "
            "log says what differs (`differs`) under which tree; fire the job by hand: its answer names the events of "
            "the first twenty. functions/replay/README.md says how to read them.",
            label="status",
            among=("different",),
        ),
        Alarm(
            "unproved",
            "days",
            Severity.WARNING,
            "replay excuses most decisions, so it proves little",
            "The lines `excused` count the rules. Most often scoring ran several times in a day, so that the "
            "parameters which decided are no longer kept.",
            label="status",
            among=("unproved",),
        ),
        Alarm(
            "silent",
            "runs",
            Severity.ERROR,
            "nobody replays decisions",
            "No run has come to its end for 25 hours. Read the function's log, and fire the job for each day that was "
            "missed: parameters are kept for about two days.",
            silent_s=90_000,
        ),
    ),
    bases=(LegalBasis.INTEREST,),
)
