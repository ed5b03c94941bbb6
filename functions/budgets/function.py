"""Declaration: the budgets' books are put in order."""

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
)

FUNCTION = Function(
    name="budgets",
    purpose="Frees what was reserved and never ordered, ends what was killed, and tells what each budget has left.",
    trigger=Schedule(cron="*/10 * * * *", attempt_deadline_s=540),
    needs=(Documents(Access.WRITE),),
    scale=Scale(max_instances=1, timeout_s=540),
    measures=(
        Measure("expired", "a budget was put in order", number="expired", labels=("retailer",)),
        Measure("unfinished", "a budget was put in order", number="unfinished", labels=("retailer",)),
        Measure("broken", "a budget could not be put in order", labels=("retailer",)),
        Measure("runs", "all budgets are in order"),
    ),
    alarms=(
        Alarm(
            "broken",
            "broken",
            Severity.CRITICAL,
            "a budget's documents contradict each other, or cannot be read",
            "Somebody wrote beside the ledger, or a store fails. The line in the log names the budget; pause its "
            "campaign (python -m layers.campaigns pause) until it is understood: its figures may be wrong.",
        ),
        Alarm(
            "silent",
            "runs",
            Severity.ERROR,
            "nobody frees what was reserved and never ordered",
            "No run has come to its end for two hours, so budgets look used up that are not. Read the function's log.",
            silent_s=2 * 3600,
        ),
    ),
    # It reads no shopper; but whoever may use the database could.
    bases=(LegalBasis.INTEREST,),
)
