"""Whether an offer of a shopper's parameters holds now: where the shopper is, when, and by which consent. Pure.

Only what changes between two scorings: a state follows from the events, so a decision that asks here can be replayed.
Whom a campaign is for by what scoring knows is asked once a night (`layers.offers.audience`); how much of it a shopper
had already, by `layers.promises`.
"""

from __future__ import annotations

from collections.abc import Iterable

from layers.events.record import milliseconds
from layers.tree.offer import ShopperOffer
from layers.tree.state import State


def holds(offer: ShopperOffer, state: State) -> bool:
    """Who named no store is in none, and who never gave a consent has agreed to nothing else."""
    if offer.until is not None and state.last_ms >= milliseconds(offer.until):
        return False
    if offer.stores and state.store not in offer.stores:
        return False
    return not offer.purposes or (state.consent is not None and set(offer.purposes) <= set(state.consent.also))


def entitled(offers: Iterable[ShopperOffer], state: State) -> tuple[ShopperOffer, ...]:
    """Those that hold, in the order given."""
    return tuple([offer for offer in offers if holds(offer, state)])
