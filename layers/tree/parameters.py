"""What scoring computed for one shopper: the contract between the function that writes it and those that decide.

Kept as JSON in the shopper's row, family `parameters`. An older reader ignores a field that scoring adds later and a
newer one takes its default where an older run wrote, so the two need not be deployed together; any other field that is
missing or of another type fails loudly.

Written only when changed: `version` names the run that computed these very values, and each later run whose values no
decision could tell from them (`likeness`) writes nothing. So of two decisions with one version the shopper's parameters
were the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from layers.tree.offer import MAX_OFFERS, ShopperOffer

MAX_PRODUCTS = 30
MAX_CATEGORIES = 30
MAX_DISCOVERIES = 5
MAX_SENTENCES = 12

MOST_BYTES = 16_384
"""Of what is stored of one shopper. A page reads the whole row, so it must stay small."""

Probability = Annotated[float, Meta(ge=0, le=1)]
Money = Annotated[float, Meta(ge=0)]


class InvalidParameters(ValueError):
    """Stored parameters that break the contract. The message names the field and the rule, never a value."""


Sentence = Annotated[str, Meta(max_length=240)]


class PredictedProduct(msgspec.Struct, frozen=True, omit_defaults=True):
    """One product that the shopper is likely to buy on the next trip.

    Attributes:
        why: what moved this prediction most, in plain words with figures; of the first few products only.
        probability: of being in the next basket.
        price: the usual price of one unit, in the retailer's currency; None where no quantity was ever recorded.
    """

    id: str
    probability: Probability
    price: Money | None = None
    category: str | None = None
    brand: str | None = None
    why: Sentence = ""


class ShopperParameters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one shopper's parameters.

    Attributes:
        version: of the scoring run that computed these values first; a decision names it.
        computed_at: when that run was scheduled for, with its offset.
        products: best first, at most 30, each id once.
        categories: category to the probability that the next basket holds something of it, or, where trained models
            predict, that it is bought within 14 days; at most 30.
        usual_basket: the median total of an order, in the retailer's currency.
        threshold: the basket total that a promotion asks for, in the retailer's currency.
        generosity: what is worth giving away at that threshold, in the retailer's currency; 0 for a shopper who needs
            no discount.
        trips: orders that were counted; days with an order, where trained models predict.
        offers: of the campaigns that reach this shopper, best first (`layers.offers`), alternatives not drawn among
            them.
        control: in the permanent control group, which is shown no promotion and no game.
        group_propensity: the share of shoppers in this shopper's group: of the control group, or of all others.
        discoveries: products never bought before that are likely to be, best first; none of them in `products`.
        churn: probability of no purchase in the next 28 days; None where nothing predicts it.
        segment: by recency, frequency and value, as the retailer's models name it; empty where they do not.
        why: what this rests on, in plain words with figures, a sentence each.
    """

    version: Annotated[str, Meta(min_length=1, max_length=64)]
    computed_at: Annotated[datetime, Meta(tz=True)]
    products: Annotated[tuple[PredictedProduct, ...], Meta(max_length=MAX_PRODUCTS)] = ()
    categories: Annotated[dict[str, Probability], Meta(max_length=MAX_CATEGORIES)] = {}
    usual_basket: Money
    threshold: Money
    generosity: Money
    trips: Annotated[int, Meta(ge=0)]
    offers: Annotated[tuple[ShopperOffer, ...], Meta(max_length=MAX_OFFERS)] = ()
    control: bool = False
    group_propensity: Annotated[float, Meta(gt=0, le=1)] = 1.0
    discoveries: Annotated[tuple[PredictedProduct, ...], Meta(max_length=MAX_DISCOVERIES)] = ()
    churn: Probability | None = None
    segment: Annotated[str, Meta(max_length=40)] = ""
    why: Annotated[tuple[Sentence, ...], Meta(max_length=MAX_SENTENCES)] = ()


_decoder = msgspec.json.Decoder(ShopperParameters)
_encoder = msgspec.json.Encoder()


def encode_parameters(parameters: ShopperParameters) -> bytes:
    """As they are stored. msgspec does not check what it encodes: write only what `decode_parameters` reads back."""
    return _encoder.encode(parameters)


def decode_parameters(data: bytes) -> ShopperParameters:
    """Raises:
    InvalidParameters: the bytes break the contract.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidParameters(
            f"stored parameters break their contract ({type(error).__name__}: {str(error).split(' - at ')[-1]}); this "
            "shopper is treated as unknown until scoring writes them again"
        ) from None
