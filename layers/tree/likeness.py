"""Whether a decision could tell two versions of a shopper's parameters apart. Pure.

Scoring writes what changed. Of sixty probabilities some digit changes every night with the clientele, whatever they
are rounded to (to two digits: in 98 rows of 100). So what is kept beside the parameters is no hash of them but a
sketch, some 300 bytes: a hash of what must be equal, and each probability to about 4 %. What is stored stays until
something in it is felt, so nothing drifts further away than that.

Must be equal: counts, amounts, segment, group, reasons, which offers are held in which order, with which propensities.
May differ a little: probabilities of products, categories and churn. Not looked at: what offers are expected to bring,
and the usual prices of products; both are as old as what is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from layers.tree.offer import ShopperOffer
from layers.tree.parameters import MAX_CATEGORIES, MAX_DISCOVERIES, MAX_PRODUCTS, PredictedProduct, ShopperParameters

ABSOLUTE = 0.01
"""A probability that moves by less is not felt: conditions of a tree name hundredths."""

RELATIVE = 0.1
"""Nor one that moves by less than this share of itself: near equals may change places."""

_EXACT = 16
_THING = 3
_ENTRY = _THING + 1
_OCTAVES = 14.0
_MOST = (MAX_PRODUCTS, MAX_DISCOVERIES, MAX_CATEGORIES, 1)
_encoder = msgspec.json.Encoder()


def sketch(parameters: ShopperParameters) -> bytes:
    """Of all but who computed it and when."""
    p = parameters
    exact = (
        p.trips, p.usual_basket, p.threshold, p.generosity, p.segment, p.control, p.group_propensity, p.why,
        [_identity(offer) for offer in p.offers if offer.drawn],
        sorted(_identity(offer) for offer in p.offers if not offer.drawn),
    )  # fmt: skip
    lists = (
        _listed((_named(product), product.probability) for product in p.products),
        _listed((_named(product), product.probability) for product in p.discoveries),
        _listed(p.categories.items()),
        _listed([] if p.churn is None else [("", p.churn)]),
    )
    head = blake2b(_encoder.encode(exact), digest_size=_EXACT).digest() + bytes(len(one) // _ENTRY for one in lists)
    return head + b"".join(lists)


def is_felt(held: bytes, new: bytes) -> bool:
    """Whether a decision could tell what is held from what is new, by their sketches. What is no sketch is felt."""
    one, other = _read(held), _read(new)
    if one is None or other is None or held[:_EXACT] != new[:_EXACT]:
        return True
    return any(_differ(*lists) for lists in zip(one, other, _MOST, strict=True))


def _identity(offer: ShopperOffer) -> str:
    """All of it but what it is expected to bring, and the words that say so."""
    bare = msgspec.structs.replace(offer, probability=0.0, uplift=0.0, expected_margin=0.0, expected_cost=0.0, why="")
    return _encoder.encode(bare).decode()


def _named(product: PredictedProduct) -> str:
    # A product that changes its category or its brand is another one for a tree.
    return f"{product.id}\n{product.category}\n{product.brand}"


def _listed(things: Iterable[tuple[str, float]]) -> bytes:
    return b"".join(
        blake2b(name.encode(), digest_size=_THING).digest() + bytes([_step(probability)])
        for name, probability in things
    )


def _step(probability: float) -> int:
    """1 to 255 from 2^-14 to 1, in steps of about 4 %; 0 is below."""
    if probability <= 0:
        return 0
    return max(0, min(255, round(255 + math.log2(probability) * 254 / _OCTAVES)))


def _probability(step: int) -> float:
    return 0.0 if step == 0 else 2.0 ** ((step - 255) * _OCTAVES / 254)


_Listed = dict[bytes, float]


def _read(text: bytes) -> list[_Listed] | None:
    counts = text[_EXACT : _EXACT + len(_MOST)]
    if len(counts) < len(_MOST) or len(text) != _EXACT + len(_MOST) + _ENTRY * sum(counts):
        return None
    found, at = [], _EXACT + len(_MOST)
    for count in counts:
        entries = [text[place : place + _ENTRY] for place in range(at, at + count * _ENTRY, _ENTRY)]
        found.append({entry[:_THING]: _probability(entry[_THING]) for entry in entries})
        at += count * _ENTRY
    return found


def _differ(held: _Listed, new: _Listed, most: int) -> bool:
    # Who is not in a full list is at most as likely as its last: that the last two change places is not felt.
    beyond_held = min(held.values()) if len(held) >= most > 1 else 0.0
    beyond_new = min(new.values()) if len(new) >= most > 1 else 0.0
    for thing in held.keys() | new.keys():
        one, other = held.get(thing, beyond_held), new.get(thing, beyond_new)
        if abs(one - other) > max(ABSOLUTE, RELATIVE * max(one, other)):
            return True
    return False
