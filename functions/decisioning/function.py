"""Declaration: each event moves its shopper in the tree."""

from layers.declarations import Access, Documents, Function, HotTable, LegalBasis, Push, Scale, Topic

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
    bases=(LegalBasis.CONSENT,),
)
