"""Moments on which a tree is tried: shoppers' values after made-up events, near the numbers and words that it names.

Each moment is the fold of events, so it can happen. Pure: the same tree gives the same moments. Does not own what is
concluded from them (`review`): that something never happened here proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal, get_args

from layers.events.model import (
    AddedToBasket,
    BasketValidated,
    Event,
    ExperienceShown,
    OrderLine,
    OrderPaid,
    OrderStatusUpdated,
    PageKind,
    PageViewed,
    ProductViewed,
    RemovedFromBasket,
    Searched,
)
from layers.events.record import Record
from layers.tree.folding import arrival, counted
from layers.tree.offer import ShopperOffer
from layers.tree.parameters import PredictedProduct, ShopperParameters
from layers.tree.tree import Tree
from layers.tree.variables import Values, basket_total, values_of

JOURNEYS, EVENTS = 500, 14

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
_TEXT = re.compile(r'"([^"\\]*)"|\'([^\'\\]*)\'')
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_START = datetime(2026, 1, 5, 9, tzinfo=UTC)
_PRODUCTS = ("milk", "bread", "coffee", "apples", "rice")
_KINDS: tuple[Literal["promotion", "game", "tension", "recommendation"], ...] = (
    "promotion", "game", "tension", "recommendation",
)  # fmt: skip
_NEAR = (-0.01, 0.0, 0.01)


def moments(tree: Tree) -> Iterator[tuple[int, Values]]:
    """(events so far, values), by journey; a third of a second for a tree of 15 nodes."""
    sources = [
        expression.source for place in tree.places.values() for expression in (place.when, place.leave) if expression
    ]
    numbers = sorted({float(found) for source in sources for found in _NUMBER.findall(source)} | {0.0, 1.0, 30.0})
    words = sorted({a or b for source in sources for a, b in _TEXT.findall(source)} - {""}) or ["milk"]
    random = Random(tree.version)
    for _ in range(JOURNEYS):
        yield from _journey(tree.root, random, numbers, words)


def _journey(root: str, random: Random, numbers: Sequence[float], words: Sequence[str]) -> Iterator[tuple[int, Values]]:
    parameters = None if random.random() < 0.15 else _parameters(random, numbers, words)
    at = _START
    state = arrival(root, int(at.timestamp() * 1000), None)
    for number in range(1, random.randint(2, EVENTS) + 1):
        total = basket_total(state)
        aim = _aim(random, numbers, parameters)
        event = _event(random, f"event-{number:04d}", at, total, tuple(state.basket), aim, words)
        record = Record(shopper="nobody", session="visit", channel="web", received=at, event=event)
        state = counted(state, record, None)
        yield number, values_of(state, parameters)
        at += timedelta(seconds=random.choice((5.0, 60.0, *(n for n in numbers if 0 < n <= 3600))))


def _aim(random: Random, numbers: Sequence[float], parameters: ShopperParameters | None) -> float:
    """A total that the basket should have for a condition to turn."""
    about = random.choice(numbers)
    if parameters is not None:
        base = random.choice((parameters.threshold, parameters.usual_basket))
        about = random.choice((about, base, base * about, base - about))
    return max(0.0, round(about + random.choice(_NEAR), 2))


def _event(
    random: Random, id: str, at: datetime, total: float, basket: Sequence[str], aim: float, words: Sequence[str]
) -> Event:
    product = random.choice((*_PRODUCTS, *filter(_ID.fullmatch, words)))
    kind = random.choices(
        ("add", "fill", "remove", "page", "search", "view", "validate", "pay", "cancel", "shown"),
        (4, 4, 2, 6, 2, 1, 1.5, 1, 0.5, 2),
    )[0]
    if kind == "remove" and basket:
        return RemovedFromBasket(id=id, at=at, product=random.choice(basket), quantity=100, price=1.0)
    if kind == "fill" and product not in basket and 0.01 <= aim - total < 100_000:
        return AddedToBasket(id=id, at=at, product=product, quantity=1, price=round(aim - total, 2))
    if kind in ("add", "fill", "remove"):
        return AddedToBasket(id=id, at=at, product=product, quantity=1, price=random.choice((0.5, 2.0, 9.9)))
    if kind == "search":
        return Searched(id=id, at=at, query=random.choice(words)[:200])
    if kind == "view":
        return ProductViewed(id=id, at=at, product=product)
    if kind == "validate" and basket:
        return BasketValidated(id=id, at=at, total=total)
    if kind == "pay" and basket:
        lines = tuple(OrderLine(product=each, paid=1.0) for each in basket)
        return OrderPaid(id=id, at=at, order="order-1", total=total, lines=lines)
    if kind == "cancel":
        return OrderStatusUpdated(id=id, at=at, order="order-1", status=random.choice(("delivered", "cancelled")))
    if kind == "shown":
        node = next(filter(_ID.fullmatch, random.sample(words, len(words))), "somewhere")
        return ExperienceShown(id=id, at=at, decision="decision-1", kind=random.choice(_KINDS), node=node)
    page = random.choice(get_args(PageKind))
    return PageViewed(id=id, at=at, page="/", kind=page, category=random.choice(words)[:64])


def _parameters(random: Random, numbers: Sequence[float], words: Sequence[str]) -> ShopperParameters:
    def amount() -> float:
        return random.choice((*numbers, 20.0, 45.0))

    def probability() -> float:
        return random.choice((0.05, 0.6, *(min(1.0, n + near) for n in numbers if 0 < n <= 1 for near in _NEAR)))

    products = tuple(
        PredictedProduct(product, probability(), price=amount(), category=random.choice(words)[:64], brand=words[0])
        for product in random.sample(_PRODUCTS, random.randint(1, len(_PRODUCTS)))
    )
    offers = (
        ShopperOffer(
            campaign=random.choice(words)[:64], offer="a", kind="promotion", product="coffee", generosity=1.0,
            threshold=amount(),
        ),
        ShopperOffer(campaign="step", offer="b", kind="tension", generosity=2.0, threshold=amount() + 1),
        ShopperOffer(campaign="wheel", offer="c", kind="game", generosity=5.0, threshold=amount()),
    )  # fmt: skip
    return ShopperParameters(
        version="tried",
        computed_at=_START,
        products=tuple(sorted(products, key=lambda product: -product.probability)),
        categories={word[:64]: probability() for word in words[:30]},
        usual_basket=amount(),
        threshold=amount(),
        generosity=random.choice((0.0, 0.0, 2.0)),
        trips=int(amount()),
        churn=probability(),
        segment=random.choice(words)[:40],
        offers=tuple(offer for offer in offers if random.random() < 0.5),
    )
