"""Declaration: the only account that reads where winners are reached, and the games they won in."""

from layers.declarations import (
    Access,
    Documents,
    Function,
    Http,
    LegalBasis,
    PublicRandomness,
    Scale,
    SealingKey,
    SigningKey,
)

CLAIMS = "claims"
"""The key that links to a prize are signed with."""

SEEDS = "seeds"
"""The key that games' seeds are sealed with until they are closed."""

TIMEOUT_S = 30

TICK_S = 60
"""How often `draws` has this function look at its games; tests/infra holds it to that function's schedule."""

FUNCTION = Function(
    name="rewards",
    purpose="Plays the games for the value of the basket; keeps the contacts of winners, orders refunds, and forgets.",
    trigger=Http(
        public=False,
        paths=(
            "/v1/games",
            "/v1/due",
            "/v1/advance",
            "/v1/games/{retailer}",
            "/v1/games/{retailer}/{game}",
            "/v1/games/{retailer}/{game}/standing",
            "/v1/games/{retailer}/{game}/close",
            "/v1/games/{retailer}/{game}/transcript",
            "/v1/refunds",
            "/v1/tickets",
            "/v1/tickets/void",
            "/v1/results",
            "/v1/prizes/look",
            "/v1/prizes/claim",
            "/v1/apart",
        ),
        callers="compliance",
    ),
    needs=(
        Documents(Access.WRITE, "rewards"),
        SigningKey(CLAIMS),
        SealingKey(SEEDS),
        PublicRandomness(),
    ),
    scale=Scale(max_instances=10, concurrency=20, timeout_s=TIMEOUT_S),
    bases=(LegalBasis.CONSENT,),
)
