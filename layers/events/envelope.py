"""What a sender posts: one shopper's events, or, for a retailer's own server, a list of such envelopes.

An event's bytes are kept as they came, so `events` is split without being decoded; each event is then decoded strictly
on its own, so that a bad one never sinks the batch.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, cast

import msgspec
from msgspec import UNSET, Meta

from layers.events.model import (
    END,
    EVENT_TYPES,
    Event,
    LinkClicked,
    OrderPaid,
    OrderStatusUpdated,
    PageViewed,
    Searched,
)
from layers.events.refusal import UNREADABLE, describe
from layers.events.scrub import scrub
from layers.retailers import Contract

MAX_BODY_BYTES = 64 * 1024
"""As `sendBeacon` allows at most 64 KiB, no tracker can need more."""

MAX_EVENTS = 1000
"""A request's events, over all its envelopes."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may run ahead of ours."""

Channel = Literal["web", "app", "store", "server", "history"]
"""What a sender may say."""

OFFICER = "officer"
RecordedChannel = Literal["web", "app", "store", "server", "history", "officer"]
"""What may stand in a record: an objection comes from the retailer's compliance officer, by consent_erasure, and no
sender can say so."""
"""Where the event happened. `history` says that nobody is on the page any more: past orders delivered in bulk teach
scoring and never move a shopper in the tree."""

CustomerId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}" + END)]
SessionId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}" + END)]


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shopper, one session, its events as raw bytes."""

    shopper: CustomerId
    session: SessionId
    channel: Channel
    events: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_EVENTS)]


class Rejection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why one event was refused. Holds positions and rules, never a value: a value may be personal data."""

    index: int
    path: str
    reason: str
    envelope: int = 0


class InvalidBody(ValueError):
    """The body as a whole cannot be read. The message holds no value of it."""


_one = msgspec.json.Decoder(Envelope)
_many = msgspec.json.Decoder(Annotated[list[Envelope], Meta(min_length=1, max_length=MAX_EVENTS)])
_event = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_FREE_TEXT = frozenset({Searched, PageViewed, LinkClicked})


def read_envelopes(body: bytes, server: bool) -> list[Envelope]:
    """Splits a body.

    Args:
        server: the request carries a retailer's signature, so a list of envelopes is accepted too.

    Raises:
        InvalidBody: it is no envelope (or list of them), or holds more than `MAX_EVENTS` events.
    """
    many = body.lstrip()[:1] == b"["
    if many and not server:
        raise InvalidBody("a list of envelopes is for servers that sign; a tracker sends one envelope, a JSON object")
    try:
        envelopes = _many.decode(body) if many else [_one.decode(body)]
    except UNREADABLE as error:
        path, rule = describe(error)
        raise InvalidBody(f"{rule} (at {path})") from None
    # One envelope's events were counted by its own schema.
    if many and sum(len(envelope.events) for envelope in envelopes) > MAX_EVENTS:
        raise InvalidBody(f"more than {MAX_EVENTS} events in one request; send them in several")
    return envelopes


class EventReader:
    """Reads the events of one retailer, as its contract says. Made once: no limit is computed for each event."""

    __slots__ = ("_contract", "_shortest")

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._shortest = timedelta(days=min(contract.days(kind.retention) for kind in EVENT_TYPES))

    def limits(self, now: datetime) -> tuple[datetime, datetime]:
        """An event between these two moments is neither too old, of whatever class, nor in the future."""
        return now - self._shortest, now + CLOCK_SKEW

    def read(
        self, raw: msgspec.Raw | bytes, now: datetime, limits: tuple[datetime, datetime]
    ) -> tuple[Event, bytes] | tuple[str, str]:
        """As `read_event`. `limits` are those of `now`."""
        try:
            event: Event = _event.decode(raw)
        except UNREADABLE as error:
            return describe(error)
        at = event.at
        if at > limits[1]:
            return "$.at", "in the future; the sender's clock is ahead by more than 5 minutes"
        if at < limits[0]:
            days = self._contract.days(event.retention)
            if at < now - timedelta(days=days):
                rule = f"older than the retention contract of {days} days for such events: it would be purged at once"
                return "$.at", rule
        if type(event) in _FREE_TEXT:
            # Free text is written anew even when it was clean: a field sent twice is decoded once, and the bytes as
            # they came would keep the other copy.
            event = scrub(cast(Searched | PageViewed | LinkClicked, event))
            return event, _encoder.encode(event)
        kept = bytes(raw)
        if type(event) is OrderPaid or type(event) is OrderStatusUpdated:
            contents = event if isinstance(event, OrderPaid) else event.kept
            if contents is not UNSET and _may_hold_more(kept, len(contents.lines)):
                return event, _encoder.encode(event)
        return event, kept


def _may_hold_more(order: bytes, lines: int) -> bool:
    """Whether something may stand twice in an order: only the products that were decoded last are looked at, and the
    bytes as they came would keep the others, whatever they say. An escape may hide a name. (Lines that stand twice have
    products, too: each line holds one, and a list of none nothing else.)
    """
    return order.count(b'"product"') != lines or b"\\" in order


def read_event(raw: msgspec.Raw | bytes, now: datetime, contract: Contract) -> tuple[Event, bytes] | tuple[str, str]:
    """Decodes and checks one event, and takes out of it what must not be kept.

    Args:
        now: when it arrived. contract: the retailer's; an event older than its class is kept would be purged at once.

    Returns:
        The event and its bytes (those that came, unless it holds free text), or (path, reason) if refused.
    """
    reader = EventReader(contract)
    return reader.read(raw, now, reader.limits(now))
