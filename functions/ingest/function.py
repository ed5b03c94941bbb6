"""Declaration: the Shopper Event API."""

from layers.declarations import (
    Access,
    Documents,
    Function,
    HotTable,
    Http,
    LegalBasis,
    RetailerSecret,
    Scale,
    SecretKind,
    Topic,
)

EVENTS_PATH = "/v1/events"
DOCUMENT_PATH = "/v1/openapi.json"

FUNCTION = Function(
    name="ingest",
    purpose="Takes events of trackers and servers, keeps each and dispatches it, then acknowledges.",
    trigger=Http(public=True, paths=(EVENTS_PATH, DOCUMENT_PATH)),
    needs=(
        HotTable("events", Access.WRITE),
        HotTable("arrivals", Access.WRITE),
        HotTable("shoppers", Access.WRITE),
        Topic("shopper-events"),
        Documents(Access.READ),
        RetailerSecret(SecretKind.PSEUDONYM_KEY),
        RetailerSecret(SecretKind.SIGNING_KEY),
    ),
    # As many requests at a time as Cloud Run allows: they only wait for their group, and large groups make an event
    # cheap. New instances come with the CPU's load.
    scale=Scale(min_instances=2, max_instances=100, concurrency=1000, timeout_s=30, startup_boost=True),
    bases=(LegalBasis.CONSENT, LegalBasis.INTEREST),
)
