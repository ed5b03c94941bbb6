"""The variables of a tree's expressions, said once: what a marketer may write, of which type, meaning what.

Each always has its type, for a shopper nobody knows too: no expression needs to ask first whether something is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from layers.events.model import EVENT_TYPES, PageKind, type_name
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import PredictedProduct, ShopperParameters
from layers.tree.state import State

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


VARIABLES: tuple[Variable, ...] = (
    Variable("shopper.known", "bool", "scoring has computed parameters for this shopper"),
    Variable("shopper.trips", "int", "orders that scoring counted; 0 if not known"),
    Variable("shopper.usual_basket", "double", "median total of an order; 0.0 if not known"),
    Variable("shopper.threshold", "double", "basket total that a promotion asks of this shopper; 0.0 if not known"),
    Variable("shopper.generosity", "double", "amount worth giving at that threshold; 0.0: needs no discount"),
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
    Variable("basket.total", "double", "value of the basket now"),
    Variable("basket.lines", "int", "different products in the basket"),
    Variable("basket.products", "list(string)", "their ids"),
    Variable("basket.missing", "double", "what is left to shopper.threshold; 0.0 when reached or not known"),
    Variable("basket.validated", "bool", "taken to checkout, and not changed since"),
    Variable("page.kind", "string", "of the page last viewed; '' before the first", ("", *get_args(PageKind))),
    Variable("page.category", "string", "its category, as the retailer names it; '' if it has none"),
    Variable(
        "search", "string", "words last searched; '' once a page of another kind than search or product was viewed"
    ),
    Variable("event.type", "string", "of the event just counted", ("", *(type_name(event) for event in EVENT_TYPES))),
    Variable("event.product", "string", "its product; '' if it has none"),
    Variable("session.seconds", "int", "since the journey began"),
    Variable("session.events", "int", "of this journey so far"),
    Variable("order.paid", "bool", "an order was paid on this journey"),
    Variable("order.total", "double", "its total; 0.0 before"),
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
    """The best of a kind; a promotion of what was just bought is none."""
    for offer in parameters.offers if parameters else ():
        if offer.drawn and offer.kind == kind and not (offer.product and offer.product in state.order.products):
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


def values_of(state: State, parameters: ShopperParameters | None) -> Values:
    """Every variable's value after the event that `state` counted last."""
    missing = _open(parameters, state)
    best = missing[0] if missing else _NONE
    total = basket_total(state)
    threshold = float(parameters.threshold) if parameters else 0.0
    return {
        "shopper": {
            "known": parameters is not None,
            "trips": parameters.trips if parameters else 0,
            "usual_basket": float(parameters.usual_basket) if parameters else 0.0,
            "threshold": threshold,
            "generosity": float(parameters.generosity) if parameters else 0.0,
        },
        "favourite_missing": {
            "id": best.id,
            "probability": float(best.probability),
            "price": float(best.price or 0.0),
            "category": best.category or "",
            "brand": best.brand or "",
        },
        **_offered(parameters, state),
        "recommended": [product.id for product in missing],
        "basket": {
            "total": total,
            "lines": len(state.basket),
            "products": list(state.basket),
            "missing": cents(max(0.0, threshold - total)),
            "validated": state.validated,
        },
        "page": {"kind": state.page_kind, "category": state.page_category},
        "search": state.search,
        "event": {"type": state.event_type, "product": state.event_product},
        "session": {"seconds": (state.last_ms - state.started_ms) // 1000, "events": state.events},
        "order": {"paid": state.order.paid, "total": float(state.order.total)},
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
