"""Where a shopper stands: the fold of a journey's events, small enough to be read and written at every event.

It is only a cache: whatever is in it can be folded anew from the hot events, so bytes that cannot be read (or were
written by another version of this code) cost a longer read and lose nothing. So a new field raises `format`: with the
old one, a state written before it would be taken for one in which nothing of it happened.
"""

from __future__ import annotations

import base64
from hashlib import blake2b
from typing import Literal

import msgspec

COUNTED = 64
"""How many events a state remembers one by one. A duplicate of an older one is taken for a late event: the journey is
folded anew, to the same result."""

SESSIONS = 8
"""How many session ids a journey remembers."""

BASKET = 200
"""Products that a basket, or an order, is remembered with; a further one is not counted (no shopper has so many, a
script may)."""

PATH = 40
"""Event types that a journey's path remembers: the newest."""

SHOWN = 30
"""Experiences that a stretch remembers to have been shown: the newest."""

Key = tuple[int, str]
"""(milliseconds, event id): the order of events everywhere, and an event's identity."""


class UnreadableState(ValueError):
    """Stored bytes that are no state of this version. The message holds nothing of them."""


class Line(msgspec.Struct, frozen=True):
    """A product in the basket; `price` of one unit."""

    quantity: float
    price: float


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last order paid on this journey: its products are not recommended again.

    Attributes:
        id: digest of the order's. cancelled: paid once, and then cancelled or refunded; its products are forgotten.
    """

    paid: bool = False
    total: float = 0.0
    products: tuple[str, ...] = ()
    id: str = ""
    cancelled: bool = False

    @property
    def placed(self) -> bool:
        """Whether the journey has led to an order, whatever became of it."""
        return self.paid or self.cancelled


NO_ORDER = Order()


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the newest `ConsentChanged` up to some moment says about personalisation, and what `also` was agreed to."""

    at_ms: int
    event: str
    personalisation: bool
    also: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.at_ms, self.event


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """After one event of a journey.

    Attributes:
        tree_version, parameters_version: what moved the shopper; empty where there were no parameters.
        started_ms: the journey's first event. stretch_ms: the first event since the last long pause.
        last_ms, last_id: the event counted last: all that comes later is new.
        events: of the journey. revision: of the stretch.
        counted: of the newest events, in order, (time, digest of the id).
        node: where the shopper stands.
        path: of the journey's events, in order, the number of each one's type, as a character from `a`.
        store: whose shop the stretch's newest page showed, of those that say so.
        shown: of the stretch, what the page says it showed, in order: kind, a colon, and the node if it said so.
        consent: as of the last event. consent_before: as of the stretch's start.
    """

    format: Literal[3] = 3
    tree_version: str
    parameters_version: str = ""
    started_ms: int
    stretch_ms: int
    last_ms: int
    last_id: str
    events: int = 0
    revision: int = 0
    counted: tuple[tuple[int, str], ...] = ()
    sessions: tuple[str, ...] = ()
    node: str
    basket: dict[str, Line] = {}
    validated: bool = False
    page_kind: str = ""
    page_category: str = ""
    store: str = ""
    search: str = ""
    event_type: str = ""
    event_product: str = ""
    event_status: str = ""
    path: str = ""
    shown: tuple[str, ...] = ()
    order: Order = NO_ORDER
    consent: Consent | None = None
    consent_before: Consent | None = None

    @property
    def key(self) -> Key:
        return self.last_ms, self.last_id

    @property
    def oldest_ms(self) -> int:
        """The oldest event that went into it."""
        consents = [consent.at_ms for consent in (self.consent, self.consent_before) if consent is not None]
        return min(self.started_ms, self.stretch_ms, *consents)

    def has_counted(self, key: Key) -> bool:
        """Surely counted; False also where it is too long ago to tell."""
        return key == self.key or (key[0], digest(key[1])) in self.counted

    def has_counted_id(self, event_id: str) -> bool:
        """The same where only the id is known."""
        sought = digest(event_id)
        return event_id == self.last_id or any(sought == known for _, known in self.counted)


def digest(text: str) -> str:
    """48 bits of an id, in 8 characters: two of 64 ids are mistaken for each other once in 10^11 journeys."""
    return base64.urlsafe_b64encode(blake2b(text.encode(), digest_size=6).digest()).decode()


_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def encode_state(state: State) -> bytes:
    """The same state always gives the same bytes: compare-and-set compares them."""
    return b'{"format":3,' + _encoder.encode(state)[1:]


def decode_state(data: bytes) -> State:
    """Raises:
    UnreadableState: not a state of this format.
    """
    try:
        state = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UnreadableState("the stored state cannot be read; it is folded anew from the events") from None
    if not data.startswith(b'{"format":3,'):
        raise UnreadableState("the stored state names no format; it is folded anew from the events")
    return state
