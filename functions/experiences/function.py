"""Declaration: what the page shows now."""

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
)

FUNCTION = Function(
    name="experiences",
    purpose="Answers which experience suits a shopper now, counting the event just sent.",
    trigger=Http(public=True, paths=("/v1/experiences",)),
    needs=(
        HotTable("events", Access.READ),
        HotTable("shoppers", Access.READ),
        Documents(Access.READ),
        RetailerSecret(SecretKind.PSEUDONYM_KEY),
        RetailerSecret(SecretKind.SIGNING_KEY),
    ),
    scale=Scale(min_instances=2, max_instances=100, concurrency=80, timeout_s=10, startup_boost=True),
    bases=(LegalBasis.CONSENT,),
)
