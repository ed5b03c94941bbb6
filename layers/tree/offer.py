"""One offer that a shopper's parameters hold: a level of a campaign, what it is expected to bring, how it was drawn.

Written by scoring (`layers.offers` works it out), read by whoever decides. Data only.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_OFFERS = 15
"""Of one shopper, alternatives that were not drawn included: about 5 kB of the row."""

Probability = Annotated[float, Meta(ge=0, le=1)]
Money = Annotated[float, Meta(ge=0)]
Short = Annotated[str, Meta(min_length=1, max_length=64)]
OfferKind = Literal["promotion", "game", "tension"]


class ShopperOffer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Amounts in the retailer's currency.

    Attributes:
        offer: names the level in its campaign.
        kind: `promotion` gives `generosity` off `product`; `tension` off the basket; of a `game` it is the prize.
        product: empty where none is promoted.
        threshold: the basket total that it asks for; 0 where it asks for none.
        probability: of `product` being in the next basket without the offer; without a product, of the next basket
            reaching the threshold anyway.
        uplift: what the offer adds to that probability.
        expected_margin: expected incremental margin of the next trip, the offer's own cost taken off.
        expected_cost: what it is expected to give away on the next trip.
        propensity: probability with which this one, among its campaign's alternatives, was drawn for this shopper.
        drawn: shown, where the tree shows offers; the others are what could have been drawn instead, kept so that
            another policy can be judged on the decisions of this one.
        why: in plain words, with the figures.
        stores: where it holds; everywhere, if none is named. until: the first moment at which it is over.
        purposes: what its shopper must have agreed to beside personalisation.
    """

    campaign: Short
    offer: Short
    kind: OfferKind
    product: Annotated[str, Meta(max_length=64)] = ""
    generosity: Money
    threshold: Money = 0.0
    probability: Probability = 0.0
    uplift: Annotated[float, Meta(ge=-1, le=1)] = 0.0
    expected_margin: float = 0.0
    expected_cost: Money = 0.0
    propensity: Annotated[float, Meta(gt=0, le=1)] = 1.0
    drawn: bool = True
    why: Annotated[str, Meta(max_length=400)] = ""
    stores: tuple[Short, ...] = ()
    until: Annotated[datetime, Meta(tz=True)] | None = None
    purposes: tuple[Short, ...] = ()


def drawn(offers: Iterable[ShopperOffer]) -> tuple[ShopperOffer, ...]:
    """Those that may be shown, in the order given: best first."""
    return tuple(offer for offer in offers if offer.drawn)
