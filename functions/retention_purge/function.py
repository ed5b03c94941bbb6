"""Declaration: nothing is kept longer than its contract."""

from layers.declarations import Access, Dataset, Documents, Function, HotTable, LegalBasis, Scale, Schedule

FUNCTION = Function(
    name="retention_purge",
    purpose="Removes from every store what is older than the retailer's contract, and proves that nothing is left.",
    trigger=Schedule(cron="15 2 * * *"),
    needs=(
        HotTable("events", Access.WRITE),
        HotTable("arrivals", Access.WRITE),
        HotTable("shoppers", Access.WRITE),
        Dataset(Access.WRITE),
        Documents(Access.WRITE),
    ),
    scale=Scale(max_instances=1, memory="1Gi", timeout_s=1800),
    bases=(LegalBasis.OBLIGATION,),
)
