"""A shopper's promises as they are stored, one document a shopper. Data only."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from layers.privacy.suppression import digest

HELD_FOR = timedelta(hours=24)
"""From the page that shows an offer to the order that uses it: a journey, and a night to sleep over it."""

DELIVERED_WITHIN = timedelta(days=30)
"""From the order to its delivery; what is heard of later lapses, and the ledger's report says so."""

MOST_PROMISES = 200
"""Of one shopper, about 60 kB; beyond it the oldest that are settled are forgotten."""


class Fate(StrEnum):
    OPEN = "open"
    ORDERED = "ordered"
    EARNED = "earned"
    NOT_EARNED = "not_earned"
    """Cancelled, or delivered without what it was of: the reservation is released."""
    RETURNED = "returned"
    """Delivered, and taken back, in whole or by so much that nothing is left to give."""
    LAPSED = "lapsed"
    """Ordered when the reservation was released already: what is earned is not in any budget."""


class Promise(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An offer that was shown and whose cost is reserved. Amounts in cents, VAT included.

    Attributes:
        key: of the reservation. cents: at most given away. threshold: the basket total asked for, 0 for none.
        percent: of the product's own price that is given, so that less of it earns less; 0 for an amount.
        substitutes: products that count where they were delivered in the place of `product`.
        money: the ledger's budgets that are counted in cents; those in a count stand in the reservation alone.
        until: an order after it does not use this promise. order: that uses it.
        earned: cents, by what was delivered and kept. unbudgeted: of these, what no budget holds, since it was free
            again before the order told of it.
        store: where it was promised, if the campaign is of some stores, or has a budget of each.
        exclusive, combines: of its campaign, as `may_combine` asks.
    """

    key: str
    campaign: str
    offer: str
    kind: Literal["promotion", "tension"]
    product: str = ""
    cents: Annotated[int, Meta(ge=1)]
    threshold: Annotated[int, Meta(ge=0)] = 0
    percent: Annotated[float, Meta(ge=0, le=100)] = 0.0
    substitutes: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    at: datetime
    until: datetime
    fate: Fate = Fate.OPEN
    order: str = ""
    earned: int = 0
    unbudgeted: int = 0
    store: str = ""
    exclusive: str = ""
    combines: bool = True

    @property
    def stacking(self) -> tuple[str, str, bool]:
        return self.campaign, self.exclusive, self.combines

    @property
    def is_settled(self) -> bool:
        """Nothing but a correction or a refund can follow."""
        return self.fate not in (Fate.OPEN, Fate.ORDERED)


class Promises(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is of the last change; the retention counts from it."""

    retailer: str
    at: datetime
    promises: tuple[Promise, ...] = ()


def promises_id(retailer_id: str, shopper: str) -> str:
    """A digest, as of a suppression: whoever has the pseudonym finds the document, and it names nobody."""
    return f"{retailer_id}:{digest(retailer_id, shopper)}"


def document(value: Promises) -> dict[str, Any]:
    """As the store takes it."""
    return dict(msgspec.to_builtins(value, builtin_types=(datetime,)))


PROMISES_UNREADABLE = "a shopper's promises cannot be read"
"""What the log says; an alarm counts it."""


class Unreadable(ValueError):
    """A document of promises that is none. The message holds nothing of it."""


def read(data: dict[str, Any]) -> Promises:
    """Raises:
    Unreadable: see there.
    """
    try:
        return msgspec.convert(data, Promises)
    except msgspec.ValidationError as error:
        where = str(error).rpartition(" - at ")[2]
        raise Unreadable(
            f"a shopper's promises cannot be read (at {where}), so what is reserved for this shopper is not known: "
            "nothing more is promised, and nothing settled, until the document is mended or deleted"
        ) from None
