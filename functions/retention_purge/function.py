"""Declaration: nothing is kept longer than its contract."""

from layers.declarations import (
    Access,
    Alarm,
    Calls,
    Dataset,
    DeadLetters,
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
    name="retention_purge",
    purpose="Removes from every store what is older than the retailer's contract, and proves that nothing is left.",
    trigger=Schedule(cron="15 2 * * *"),
    needs=(
        HotTable("events", Access.WRITE),
        HotTable("arrivals", Access.WRITE),
        HotTable("shoppers", Access.WRITE),
        Dataset(Access.WRITE),
        DeadLetters(),
        Documents(Access.WRITE),
        Calls("rewards"),
    ),
    scale=Scale(max_instances=1, memory="1Gi", timeout_s=1800),
    measures=(
        Measure("late_erasures", "erasure without a receipt", labels=("retailer", "urgency")),
        Measure("deadline_checks", "erasure deadlines checked"),
    ),
    alarms=(
        Alarm(
            "erasure-soon",
            "late_erasures",
            Severity.WARNING,
            "an erasure is due within a week and has no receipt",
            "Tell the retailer's compliance officer, who has the customer ids, to send the same request again "
            "(`python -m functions.consent_erasure erase`); it goes on where it stopped. `status` shows which store is "
            "not done, and consent_erasure's log says why.",
            label="urgency",
            among=("soon",),
        ),
        Alarm(
            "erasure-overdue",
            "late_erasures",
            Severity.CRITICAL,
            "an erasure is overdue",
            "The month of article 12(3) of the GDPR is over. Have the retailer tell the person why, and send the "
            "request again at once, as for one that is due soon.",
            label="urgency",
            among=("overdue",),
        ),
        Alarm(
            "deadlines-unwatched",
            "deadline_checks",
            Severity.ERROR,
            "nobody has checked the deadlines of erasures since yesterday",
            "The nightly run of retention_purge did not happen, or broke off before its first step: an erasure may "
            "become overdue unheard, and nothing is purged. Look at the Cloud Scheduler job `retention-purge` (is it "
            "paused, was its call refused?) and at the function's log, and fire the job; its runs may be repeated.",
            silent_s=25 * 3600,
        ),
    ),
    bases=(LegalBasis.OBLIGATION,),
)
