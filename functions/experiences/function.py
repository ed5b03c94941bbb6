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

PATH = "/v1/experiences"
STREAM_PATH = f"{PATH}/stream"
DOCUMENT_PATH = f"{PATH}/openapi.json"

FUNCTION = Function(
    name="experiences",
    purpose="Answers which experience suits a shopper now, counting the event just sent.",
    trigger=Http(public=True, paths=(PATH, STREAM_PATH, DOCUMENT_PATH)),
    needs=(
        HotTable("events", Access.READ),
        HotTable("shoppers", Access.READ),
        Documents(Access.READ),
        RetailerSecret(SecretKind.PSEUDONYM_KEY),
        RetailerSecret(SecretKind.SIGNING_KEY),
    ),
    # A stream is a request of five minutes (streaming.py), and costs little more than its place: 200 of them, and 50
    # that are answered in one go. Those never take longer than 100 ms, whatever the time limit.
    scale=Scale(min_instances=2, max_instances=100, concurrency=250, timeout_s=330, startup_boost=True),
    bases=(LegalBasis.CONSENT,),
)
