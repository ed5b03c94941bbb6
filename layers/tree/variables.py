"""The variables of a tree's expressions, said once: what a marketer may write, of which type, meaning what.

Each always has its type, for a shopper nobody knows too: no expression needs to ask first whether something is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args, get_type_hints

from layers.events.model import EVENT_TYPES, OrderStatusUpdated, PageKind, type_name
from layers.tree.entitlement import holds
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import PredictedProduct, ShopperParameters
from layers.tree.state import PATH, SHOWN, State

Values = dict[str, object]
"""By first name: `{"basket": {"total": 12.5, …}, "search": ""}`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Attributes:
    type: as CEL names it. allowed: all that it can be, where that is a closed list.
    least, most: of a number, both included.
    """

    name: str
    type: str
    meaning: str
    allowed: tuple[str, ...] = ()
    least: float = 0.0
    most: float = float("inf")


_STATUSES = get_args(get_type_hints(OrderStatusUpdated)["status"])
_TYPES = {chr(ord("a") + number): type_name(event) for number, event in enumerate(EVENT_TYPES)}
"""As `folding` writes a path."""

VARIABLES: tuple[Variable, ...] = (
    Variable("shopper.known", "bool", "scoring has computed parameters for this shopper"),
    Variable("shopper.trips", "int", "orders that scoring counted; 0 if not known"),
    Variable("shopper.usual_basket", "double", "median total of an order; 0.0 if not known"),
    Variable("shopper.threshold", "double", "basket total that a promotion asks of this shopper; 0.0 if not known"),
    Variable("shopper.generosity", "double", "amount worth giving at that threshold; 0.0: needs no discount"),
    Variable("shopper.churn", "double", "probability of buying nothing for 28 days; 0.0 if not predicted", most=1.0),
    Variable("shopper.segment", "string", "by recency, frequency and value; '' if not known"),
    Variable("favourite_missing.id", "string", "likeliest product neither in the basket nor just bought; '' if none"),
    Variable("favourite_missing.probability", "double", "of being in the next basket, 0.0 to 1.0", most=1.0),
    Variable("favourite_missing.price", "double", "its usual unit price; 0.0 if not known"),
    Variable("favourite_missing.category", "string", "its category; '' if not known"),
    Variable("favourite_missing.brand", "string", "its brand; '' if not known"),
    Variable("offer.campaign", "string", "of the best promotion drawn for this shopper; '' if there is none"),
    Variable("offer.product", "string", "what it promotes; '' if there is none"),
    Variable("offer.generosity", "double", "what it takes off the product; 0.0 if there is none"),
    Variable("offer.threshold", "double", "basket total that it asks for; 0.0: none"),
    Variable("reward.generosity", "double", "what a campaign takes off this shopper's basket; 0.0 if none does"),
    Variable("reward.threshold", "double", "basket total that it asks for; 0.0 if there is none"),
    Variable("play.prize", "double", "of the game that a campaign offers this shopper; 0.0 if none does"),
    Variable("play.threshold", "double", "basket total from which it is played; 0.0 if there is none"),
    Variable(
        "recommended", "list(string)", "predicted products neither in the basket nor just bought, likeliest first"
    ),
    Variable("discoveries", "list(string)", "likely products never bought before, not in the basket, likeliest first"),
    Variable("basket.total", "double", "value of the basket now"),
    Variable("basket.lines", "int", "different products in the basket"),
    Variable("basket.products", "list(string)", "their ids"),
    Variable("basket.missing", "double", "what is left to shopper.threshold; 0.0 when reached or not known"),
    Variable("basket.validated", "bool", "taken to checkout, and not changed since"),
    Variable("page.kind", "string", "of the page last viewed; '' before the first", ("", *get_args(PageKind))),
    Variable("page.category", "string", "its category, as the retailer names it; '' if it has none"),
    Variable("page.store", "string", "whose shop the pages show; '' while none said so"),
    Variable("page.probability", "double", "of something of that category in the next basket; 0.0: unknown", most=1.0),
    Variable(
        "search", "string", "words last searched; '' once a page of another kind than search or product was viewed"
    ),
    Variable("event.type", "string", "of the event just counted", ("", *(type_name(event) for event in EVENT_TYPES))),
    Variable("event.product", "string", "its product; '' if it has none"),
    Variable("event.probability", "double", "of that product in the next basket; 0.0 if not predicted", most=1.0),
    Variable("event.status", "string", "of an OrderStatusUpdated; '' for any other event", ("", *_STATUSES)),
    Variable("session.seconds", "int", "since the journey began"),
    Variable("session.events", "int", "of this journey so far"),
    Variable("session.path", "string", f"types of its newest {PATH} events, oldest first, with a space between"),
    Variable("shown.promotions", "int", f"shown since the last pause of over six hours, at most {SHOWN}"),
    Variable("shown.games", "int", "games, the same"),
    Variable("shown.tensions", "int", "tensions, the same"),
    Variable("shown.recommendations", "int", "recommendations, the same"),
    Variable("shown.nodes", "list(string)", "whose experiences these were, oldest first, where the page says so"),
    Variable("order.paid", "bool", "an order was paid on this journey, and not cancelled since"),
    Variable("order.cancelled", "bool", "the order of this journey was cancelled or refunded as a whole"),
    Variable("order.total", "double", "its total, by what is kept of it; 0.0 before"),
)

PRIVATE = frozenset({"search"})
"""Variables whose value is a shopper's own words: a decision's reason never quotes them."""

_NONE = PredictedProduct(id="", probability=0.0)


def cents(amount: float) -> float:
    """Rounded to what a shopper sees, so that 0.1 + 0.2 reaches a threshold of 0.3."""
    return round(amount, 2) + 0.0


def basket_total(state: State) -> float:
    return cents(sum(line.quantity * line.price for line in state.basket.values()))


def _open(parameters: ShopperParameters | None, state: State) -> list[PredictedProduct]:
    if parameters is None:
        return []
    return [p for p in parameters.products if p.id not in state.basket and p.id not in state.order.products]


def _drawn(parameters: ShopperParameters | None, state: State, kind: str) -> ShopperOffer | None:
    """The best of a kind that holds here and now; a promotion of what was just bought is none."""
    for offer in parameters.offers if parameters else ():
        bought = offer.product and offer.product in state.order.products
        if offer.drawn and offer.kind == kind and not bought and holds(offer, state):
            return offer
    return None


def _offered(parameters: ShopperParameters | None, state: State) -> Values:
    """Parameters hold the best first."""
    offer, reward, play = (_drawn(parameters, state, kind) for kind in ("promotion", "tension", "game"))
    return {
        "offer": {
            "campaign": offer.campaign if offer else "",
            "product": offer.product if offer else "",
            "generosity": float(offer.generosity) if offer else 0.0,
            "threshold": float(offer.threshold) if offer else 0.0,
        },
        "reward": {
            "generosity": float(reward.generosity) if reward else 0.0,
            "threshold": float(reward.threshold) if reward else 0.0,
        },
        "play": {
            "prize": float(play.generosity) if play else 0.0,
            "threshold": float(play.threshold) if play else 0.0,
        },
    }


def _predicted(parameters: ShopperParameters | None, product: str) -> float:
    if parameters is None or not product:
        return 0.0
    return next((float(p.probability) for p in parameters.products if p.id == product), 0.0)


def _shown(state: State) -> Values:
    if not state.shown:
        return {"promotions": 0, "games": 0, "tensions": 0, "recommendations": 0, "nodes": []}
    kinds = [one.partition(":")[0] for one in state.shown]
    return {
        "promotions": kinds.count("promotion"),
        "games": kinds.count("game"),
        "tensions": kinds.count("tension"),
        "recommendations": kinds.count("recommendation"),
        "nodes": [node for _, _, node in (one.partition(":") for one in state.shown) if node],
    }


def shopper_values(parameters: ShopperParameters | None) -> Values:
    """The members of `shopper`: what scoring knows, whatever happens on a page."""
    return {
        "known": parameters is not None,
        "trips": parameters.trips if parameters else 0,
        "usual_basket": float(parameters.usual_basket) if parameters else 0.0,
        "threshold": float(parameters.threshold) if parameters else 0.0,
        "generosity": float(parameters.generosity) if parameters else 0.0,
        "churn": float(parameters.churn or 0.0) if parameters else 0.0,
        "segment": parameters.segment if parameters else "",
    }


def values_of(state: State, parameters: ShopperParameters | None) -> Values:
    """Every variable's value after the event that `state` counted last."""
    missing = _open(parameters, state)
    best = missing[0] if missing else _NONE
    total = basket_total(state)
    liking = float(parameters.categories.get(state.page_category, 0.0)) if parameters else 0.0
    threshold = float(parameters.threshold) if parameters else 0.0
    return {
        "shopper": shopper_values(parameters),
        "favourite_missing": {
            "id": best.id,
            "probability": float(best.probability),
            "price": float(best.price or 0.0),
            "category": best.category or "",
            "brand": best.brand or "",
        },
        **_offered(parameters, state),
        "recommended": [product.id for product in missing],
        "discoveries": [p.id for p in parameters.discoveries if p.id not in state.basket] if parameters else [],
        "basket": {
            "total": total,
            "lines": len(state.basket),
            "products": list(state.basket),
            "missing": cents(max(0.0, threshold - total)),
            "validated": state.validated,
        },
        "page": {
            "kind": state.page_kind,
            "category": state.page_category,
            "store": state.store,
            "probability": liking,
        },
        "search": state.search,
        "event": {
            "type": state.event_type,
            "product": state.event_product,
            "probability": _predicted(parameters, state.event_product),
            "status": state.event_status,
        },
        "session": {
            "seconds": (state.last_ms - state.started_ms) // 1000,
            "events": state.events,
            "path": " ".join([_TYPES[letter] for letter in state.path]),
        },
        "shown": _shown(state),
        "order": {"paid": state.order.paid, "cancelled": state.order.cancelled, "total": float(state.order.total)},
    }


def value_of(values: Values, name: str) -> object:
    """`basket.total` out of the values."""
    root, _, member = name.partition(".")
    value = values[root]
    return value[member] if member and isinstance(value, dict) else value


def explained() -> str:
    """The table of variables as text, for `check`."""
    width = max(len(variable.name) for variable in VARIABLES)
    lines = []
    for variable in VARIABLES:
        allowed = f" ({', '.join(value for value in variable.allowed if value)})" if variable.allowed else ""
        lines.append(f"{variable.name:<{width}}  {variable.type:<12}  {variable.meaning}{allowed}")
    return "\n".join(lines)
