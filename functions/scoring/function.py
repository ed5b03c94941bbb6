"""Declaration: learns overnight how each shopper buys."""

from layers.declarations import Access, Dataset, Function, HotTable, LegalBasis, Scale, Schedule

FUNCTION = Function(
    name="scoring",
    purpose="Computes every shopper's parameters from the cold facts, and writes them where decisions read them.",
    trigger=Schedule(cron="30 3 * * *"),
    needs=(Dataset(Access.READ), HotTable("shoppers", Access.WRITE)),
    scale=Scale(max_instances=1, cpu=2, memory="2Gi", timeout_s=1800),
    bases=(LegalBasis.CONSENT,),
)
