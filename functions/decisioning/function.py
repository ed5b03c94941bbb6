"""Declaration: each event moves its shopper in the tree."""

from layers.declarations import (
    Access,
    Alarm,
    Documents,
    Function,
    HotTable,
    LegalBasis,
    Measure,
    Push,
    Scale,
    Severity,
    Topic,
)

FUNCTION = Function(
    name="decisioning",
    purpose="Moves the shopper in the Shopping Experience Tree at each event, and logs every decision with its reason.",
    trigger=Push(topics=("shopper-events",), ack_deadline_s=30),
    needs=(
        HotTable("events", Access.READ),
        HotTable("shoppers", Access.WRITE),
        Documents(Access.WRITE),
        Topic("decisions"),
    ),
    scale=Scale(min_instances=1, max_instances=100, concurrency=40, startup_boost=True),
    measures=(Measure("unreadable", "a shopper's promises cannot be read"),),
    alarms=(
        Alarm(
            "unreadable",
            "unreadable",
            Severity.ERROR,
            "a shopper is promised nothing, because what was promised before cannot be read",
            "The others are not concerned, and this one is shown what costs nothing. The answer of the job `budgets` "
            "(POST /, by hand) names the document; mend it, or delete it: its reservations expire by themselves.",
        ),
    ),
    bases=(LegalBasis.CONSENT,),
)
