"""Declaration: takes what a retailer delivers as files."""

from layers.declarations import (
    Access,
    Calls,
    Dataset,
    Documents,
    Function,
    LegalBasis,
    RetailerBucket,
    RetailerSecret,
    Scale,
    Schedule,
    SecretKind,
)

FUNCTION = Function(
    name="feeds",
    purpose="Takes each new file of a retailer's bucket exactly once and sends its orders through the front door.",
    trigger=Schedule(cron="*/30 * * * *"),
    needs=(
        RetailerBucket(),
        Calls("ingest"),
        Dataset(Access.WRITE),
        Documents(Access.WRITE),
        RetailerSecret(SecretKind.SIGNING_KEY),
    ),
    scale=Scale(max_instances=1, memory="1Gi", timeout_s=1800),
    bases=(LegalBasis.INTEREST,),
)
