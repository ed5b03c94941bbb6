"""Declaration: the compliance officer's endpoint."""

from layers.declarations import (
    Access,
    Calls,
    Dataset,
    DeadLetters,
    Documents,
    Function,
    HotTable,
    Http,
    LegalBasis,
    RetailerSecret,
    Scale,
    SecretKind,
    SigningKey,
    Topic,
)

RECEIPTS = "receipts"
"""The key that receipts are signed with."""

FUNCTION = Function(
    name="consent_erasure",
    purpose="Erases a shopper on the retailer's request, and gives a receipt; gives access; records objections.",
    trigger=Http(
        public=False,
        paths=(
            "/v1/erasures",
            "/v1/erasures/key",
            "/v1/erasures/{id}",
            "/v1/erasures/{id}/receipt",
            "/v1/access",
            "/v1/objections",
        ),
        callers="compliance",
    ),
    needs=(
        HotTable("events", Access.WRITE),
        HotTable("arrivals", Access.WRITE),
        HotTable("shoppers", Access.WRITE),
        Dataset(Access.WRITE),
        Documents(Access.WRITE),
        Topic("shopper-events"),
        DeadLetters(),
        RetailerSecret(SecretKind.PSEUDONYM_KEY),
        SigningKey(RECEIPTS),
        Calls("rewards"),
    ),
    scale=Scale(max_instances=5, concurrency=4, memory="1Gi", timeout_s=1800),
    bases=(LegalBasis.OBLIGATION,),
)
