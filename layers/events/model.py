"""The twelve event types, as a closed tagged union.

An event is one past action of a shopper. It holds no shopper id: that stands once, in the envelope. Amounts are in the
retailer's currency; `price` is of one unit, `paid` and `total` are what the shopper paid. `quantity` may be a weight or
a volume (fuel is sold by the millilitre in some tills), so it is any positive number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from layers.retailers import RetentionClass

END = r"$(?!\n)"
"""Ends every pattern. `$` alone also holds before a line break, so the id «event-0001, line break» was taken, and was
another event than `event-0001`."""

_ID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}" + END
_is_id = re.compile(_ID).match

Id = Annotated[str, Meta(pattern=_ID)]
"""Of a product, an order, a store, a decision: 1 to 64 characters that need no escaping anywhere."""

EventId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{7,63}" + END)]
"""Unique per event, chosen by the sender (UUIDv7 is a good choice): the same id and time is the same event."""

Moment = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with its offset."""

Amount = Annotated[float, Meta(ge=0, le=1_000_000)]
Quantity = Annotated[float, Meta(gt=0, le=10_000_000)]

PAGE_LENGTH, CATEGORY_LENGTH, QUERY_LENGTH = 512, 64, 200
"""Most characters of each free text; `scrub` keeps within them."""

Page = Annotated[str, Meta(min_length=1, max_length=PAGE_LENGTH)]
PageKind = Literal["home", "category", "search", "product", "basket", "checkout", "account", "other"]
Payment = Literal["card", "wallet", "transfer", "meal_voucher", "gift_card", "cash", "other"]
"""How an order was paid, by class: never the number of a card or an account, nor whose it is."""

Household = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}" + END)]
"""Whose orders belong together, as a keyed digest that the retailer's own server makes: a household's number names
people, so it never comes here (README.md says how it is made)."""

Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class _Event(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True, omit_defaults=True
):
    """What every event has. `at` is when it happened, by the sender's clock."""

    id: EventId
    at: Moment

    retention: ClassVar[RetentionClass] = RetentionClass.BROWSING


class PageViewed(_Event, frozen=True, tag="PageViewed"):
    page: Page
    kind: PageKind = "other"
    category: Annotated[str, Meta(max_length=CATEGORY_LENGTH)] | UnsetType = UNSET
    seconds: Annotated[float, Meta(ge=0, le=86_400)] | UnsetType = UNSET
    store: Id | UnsetType = UNSET


class LinkClicked(_Event, frozen=True, tag="LinkClicked"):
    page: Page
    target: Page


class Searched(_Event, frozen=True, tag="Searched"):
    query: Annotated[str, Meta(min_length=1, max_length=QUERY_LENGTH)]
    results: Count | UnsetType = UNSET


class ProductViewed(_Event, frozen=True, tag="ProductViewed"):
    product: Id
    price: Amount | UnsetType = UNSET


class AddedToBasket(_Event, frozen=True, tag="AddedToBasket"):
    product: Id
    quantity: Quantity
    price: Amount


class RemovedFromBasket(_Event, frozen=True, tag="RemovedFromBasket"):
    product: Id
    quantity: Quantity
    price: Amount


class BasketValidated(_Event, frozen=True, tag="BasketValidated"):
    total: Amount
    lines: Count | UnsetType = UNSET


class OrderLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One product of an order. `quantity` is absent where the till did not record it."""

    product: Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema={"pattern": _ID})]
    """An `Id`; the order looks at those of all its lines at once."""

    paid: Amount
    quantity: Quantity | UnsetType = UNSET
    discount: Amount | UnsetType = UNSET


class OrderPaid(_Event, frozen=True, tag="OrderPaid"):
    retention: ClassVar[RetentionClass] = RetentionClass.TRANSACTIONS

    order: Id
    total: Amount
    lines: Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=500)]
    store: Id | UnsetType = UNSET
    payment: Payment | UnsetType = UNSET
    household: Household | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a line's product is no `Id`.
        """
        _refuse_odd_products(self.lines)


def _refuse_odd_products(lines: Sequence[OrderLine]) -> None:
    # A pattern costs 0.4 us a line, which is more than all else about it: 4 us of the 7 us of an order of twelve.
    # Product numbers are letters and digits, with hardly an exception, and one look at all of them can tell.
    if lines and not "".join([line.product for line in lines]).encode("ascii", "replace").isalnum():
        for number, line in enumerate(lines):
            if not _is_id(line.product):
                raise ValueError(f"the product of line {number} does not match {_ID}")


class KeptLine(OrderLine, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A line of what the shopper keeps. Weighed goods: the weight that was delivered, and what that cost."""

    substituted_for: (
        Annotated[Id, Meta(description="The product that was ordered, where this one came in its place.")] | UnsetType
    ) = UNSET


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the shopper keeps of an order and pays for, as of a status: never a difference, nor what went back.

    Nothing at all is a list of no lines; `total` is with VAT and, as a payment's, with whatever else was paid.
    """

    total: Amount
    lines: Annotated[tuple[KeptLine, ...], Meta(max_length=500)]

    def __post_init__(self) -> None:
        """Raises:
        ValueError: a line's product is no `Id`.
        """
        _refuse_odd_products(self.lines)


Status = Literal["confirmed", "prepared", "shipped", "delivered", "cancelled", "refunded"]


class OrderStatusUpdated(_Event, frozen=True, tag="OrderStatusUpdated"):
    """What became of an order. With `kept` it amends the order: of `OrderPaid` and of such statuses, the newest says
    what it holds, so after a part was cancelled or refunded, that status says what is left.
    """

    retention: ClassVar[RetentionClass] = RetentionClass.TRANSACTIONS

    order: Id
    status: Status
    kept: Kept | UnsetType = UNSET

    @property
    def is_end(self) -> bool:
        """The whole order is cancelled or refunded, not a part of it."""
        return self.kept is UNSET and self.status in ("cancelled", "refunded")


class ExperienceShown(_Event, frozen=True, tag="ExperienceShown"):
    decision: Id
    kind: Literal["promotion", "game", "recommendation", "tension", "default"]
    node: Id | UnsetType = UNSET
    product: Id | UnsetType = UNSET


class ExperienceClicked(_Event, frozen=True, tag="ExperienceClicked"):
    decision: Id
    kind: Literal["promotion", "game", "recommendation", "tension", "default"]
    node: Id | UnsetType = UNSET
    product: Id | UnsetType = UNSET


class Purposes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the shopper agreed to; a purpose not named is refused."""

    measurement: bool = False
    personalisation: bool = False
    advertising: bool = False
    rewards: bool = False


Flag = Literal["granted", "denied"]


class ConsentMode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Google Consent Mode v2, as the page told Google. A flag that the page did not set is absent."""

    ad_storage: Flag | UnsetType = UNSET
    analytics_storage: Flag | UnsetType = UNSET
    ad_user_data: Flag | UnsetType = UNSET
    ad_personalization: Flag | UnsetType = UNSET


TcString = Annotated[str, Meta(max_length=8192, pattern=r"^C[A-Za-z0-9_-]{35,}(?:\.[I-Za-f][A-Za-z0-9_-]*){0,3}" + END)]
"""Of version 2 of the IAB's framework: a core segment, which begins with the version (`C`) and holds 216 bits at least,
then up to three segments. Kept as it came, as proof, and decoded nowhere: `purposes` alone say what Gondola may do, and
a string that a retailer's consent platform signs for a thousand vendors says nothing about them. (The only Python
library for it had its last release in 2021.)"""


class ConsentChanged(_Event, frozen=True, tag="ConsentChanged"):
    """All that a shopper agreed to from now on: it replaces what was said before, it is not added to it. Giving,
    withdrawing and objecting are this one event.
    """

    retention: ClassVar[RetentionClass] = RetentionClass.CONSENT

    purposes: Purposes
    tcf: TcString | UnsetType = UNSET
    consent_mode: ConsentMode | UnsetType = UNSET


Event = (
    PageViewed
    | LinkClicked
    | Searched
    | ProductViewed
    | AddedToBasket
    | RemovedFromBasket
    | BasketValidated
    | OrderPaid
    | OrderStatusUpdated
    | ExperienceShown
    | ExperienceClicked
    | ConsentChanged
)

EVENT_TYPES: tuple[type[_Event], ...] = (
    PageViewed,
    LinkClicked,
    Searched,
    ProductViewed,
    AddedToBasket,
    RemovedFromBasket,
    BasketValidated,
    OrderPaid,
    OrderStatusUpdated,
    ExperienceShown,
    ExperienceClicked,
    ConsentChanged,
)


def type_name(event: _Event | type[_Event]) -> str:
    """`AddedToBasket`: the tag as it stands in JSON."""
    return event.__name__ if isinstance(event, type) else type(event).__name__
