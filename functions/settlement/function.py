"""Declaration: promises are settled on what was delivered."""

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
)

FUNCTION = Function(
    name="settlement",
    purpose="Settles what a shopper was promised on the orders: kept when paid, given when delivered, freed otherwise.",
    trigger=Push(topics=("shopper-events",), ack_deadline_s=30),
    needs=(HotTable("events", Access.READ), Documents(Access.WRITE)),
    scale=Scale(max_instances=20, concurrency=20),
    measures=(
        Measure("settled", "a promise was settled", labels=("retailer", "fate")),
        Measure("cents", "a promise was settled", number="earned", labels=("retailer", "fate")),
        Measure("unbudgeted", "a promise was settled", number="unbudgeted", labels=("retailer",)),
    ),
    alarms=(
        Alarm(
            "lapsed",
            "settled",
            Severity.WARNING,
            "an order was delivered whose promise is reserved no more",
            "Its payment or delivery was told later than the reservation lasts (a day, and 30 days), so no budget pays "
            "it. Ask the retailer why its statuses come late; what the shopper was shown is the retailer's to honour.",
            label="fate",
            among=("lapsed",),
        ),
    ),
    bases=(LegalBasis.CONTRACT,),
)
