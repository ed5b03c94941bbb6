"""Declaration: the public page of a prize. It reaches no store: what it may ask is what `rewards` lets it."""

from layers.declarations import Calls, Function, Http, LegalBasis, RetailerSecret, Scale, SecretKind

FUNCTION = Function(
    name="claims",
    purpose="Tells a shopper's page what an order's tickets won, and takes the address of a winner on a short page.",
    trigger=Http(public=True, paths=("/v1/tickets", "/claim")),
    needs=(
        RetailerSecret(SecretKind.PSEUDONYM_KEY),
        RetailerSecret(SecretKind.SIGNING_KEY),
        Calls("rewards"),
    ),
    scale=Scale(max_instances=10, concurrency=40),
    bases=(LegalBasis.CONSENT,),
)
