"""Declaration: the Shopper Event API."""

from layers.declarations import Access, Function, HotTable, Http, RetailerSecret, Scale, SecretKind, Topic

FUNCTION = Function(
    name="ingest",
    purpose="Takes events of trackers and servers, keeps each and dispatches it, then acknowledges.",
    trigger=Http(public=True, paths=("/v1/events",)),
    needs=(
        HotTable("events", Access.WRITE),
        HotTable("arrivals", Access.WRITE),
        Topic("shopper-events"),
        RetailerSecret(SecretKind.PSEUDONYM_KEY),
        RetailerSecret(SecretKind.SIGNING_KEY),
    ),
    scale=Scale(min_instances=2, max_instances=100, concurrency=200, timeout_s=30, startup_boost=True),
)
