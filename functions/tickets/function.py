"""Declaration: a paid order is a ticket."""

from layers.declarations import Access, Calls, Documents, Function, HotTable, LegalBasis, Push, Scale

FUNCTION = Function(
    name="tickets",
    purpose="Has a ticket issued for each paid order of a shopper who takes part, and voids those of cancelled orders.",
    trigger=Push(topics=("shopper-events",), ack_deadline_s=60),
    needs=(
        HotTable("shoppers", Access.READ),
        Documents(Access.READ),
        Calls("rewards"),
    ),
    scale=Scale(max_instances=20, concurrency=20),
    bases=(LegalBasis.CONSENT,),
)
"""Documents: of the suppressions, since who is erased plays no more."""
