"""Declaration: events and decisions become relational facts."""

from layers.declarations import Access, Dataset, Documents, Function, LegalBasis, Push, Scale

FUNCTION = Function(
    name="cooling",
    purpose="Turns dispatched events and decisions into rows of each retailer's BigQuery dataset.",
    trigger=Push(topics=("shopper-events", "decisions"), ack_deadline_s=30),
    needs=(Dataset(Access.WRITE), Documents(Access.WRITE)),
    scale=Scale(min_instances=1, max_instances=50, concurrency=20, memory="1Gi"),
    bases=(LegalBasis.CONSENT, LegalBasis.INTEREST),
)
