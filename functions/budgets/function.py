"""Declaration: the budgets' books are put in order."""

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

FUNCTION = Function(
    name="budgets",
    purpose="Frees what was never ordered, compares promises with orders, and tells what each budget has left.",
    trigger=Schedule(cron="*/10 * * * *", attempt_deadline_s=540),
    needs=(Documents(Access.WRITE), HotTable("events", Access.READ), Dataset(Access.READ)),
    scale=Scale(max_instances=1, timeout_s=540),
    measures=(
        Measure("expired", "a budget was put in order", number="expired", labels=("retailer",)),
        Measure("unfinished", "a budget was put in order", number="unfinished", labels=("retailer",)),
        Measure("broken", "a budget could not be put in order", labels=("retailer",)),
        Measure("runs", "all budgets are in order"),
        Measure("differences", "a promise and what became of it differ", labels=("retailer", "gap", "status")),
        Measure("unreadable", "a shopper's promises cannot be read", labels=("retailer",)),
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
            "unrepaired",
            "differences",
            Severity.ERROR,
            "a promise and its reservation differ, and the job could not bring them together",
            "The line in the log names the campaign and the difference (layers/promises/auditing.py). Most often the "
            "order was told of after its reservation had been given back: the shopper was promised it, and no budget "
            "pays it. Otherwise somebody wrote beside the ledger.",
            label="status",
            among=("unrepaired",),
        ),
        Alarm(
            "unreadable",
            "unreadable",
            Severity.ERROR,
            "a shopper's promises cannot be read",
            "Nothing more is promised to this shopper, and nothing settled. Run the job by hand: `audit.unreadable` of "
            "its answer names the documents. Mend or delete them: their reservations expire by themselves.",
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
    bases=(LegalBasis.CONTRACT,),
)
