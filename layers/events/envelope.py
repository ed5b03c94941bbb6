"""What a sender posts: one shopper's events, or, for a retailer's own server, a list of such envelopes.

An event's bytes are kept as they came, so `events` is split without being decoded; each event is then decoded strictly
on its own, so that a bad one never sinks the batch.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from layers.events.model import Event, LinkClicked, PageViewed, Searched
from layers.events.scrub import scrub
from layers.retailers import Contract

MAX_BODY_BYTES = 64 * 1024
"""As `sendBeacon` allows at most 64 KiB, no tracker can need more."""

MAX_EVENTS = 1000
"""A request's events, over all its envelopes."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may run ahead of ours."""

Channel = Literal["web", "app", "store", "server", "history"]
"""Where the event happened. `history` says that nobody is on the page any more: past orders delivered in bulk teach
scoring and never move a shopper in the tree."""

CustomerId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
SessionId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


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


def split_message(error: msgspec.MsgspecError) -> tuple[str, str]:
    """msgspec's «rule - at `$.path`» as (path, rule), with every quoted value of the sender left out."""
    text = str(error)
    rule, _, path = text.partition(" - at `")
    path = path.rstrip("`") or "$"
    if rule.startswith("Object contains unknown field"):
        # The name of an undeclared field is the sender's text: it may itself be an e-mail address.
        rule = "a field that the schema does not declare; closed schemas keep personal data out"
        path = path or "$"
    elif rule.startswith("Invalid value "):
        rule = "a value that the schema does not list (is `type` one of the event types?)"
    elif rule.startswith(("JSON is malformed", "Input data was truncated")):
        rule = "not valid JSON"
    return path, rule


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
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        path, rule = split_message(error) if isinstance(error, msgspec.MsgspecError) else ("$", "not UTF-8")
        raise InvalidBody(f"{rule} (at {path})") from None
    if sum(len(envelope.events) for envelope in envelopes) > MAX_EVENTS:
        raise InvalidBody(f"more than {MAX_EVENTS} events in one request; send them in several")
    return envelopes


def read_event(raw: msgspec.Raw | bytes, now: datetime, contract: Contract) -> tuple[Event, bytes] | tuple[str, str]:
    """Decodes and checks one event, and takes out of it what must not be kept.

    Args:
        now: when it arrived. contract: the retailer's; an event older than its class is kept would be purged at once.

    Returns:
        The event and its bytes (those that came, unless it holds free text), or (path, reason) if refused.
    """
    try:
        event: Event = _event.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return split_message(error) if isinstance(error, msgspec.MsgspecError) else ("$", "not UTF-8")
    if event.at > now + CLOCK_SKEW:
        return "$.at", "in the future; the sender's clock is ahead by more than 5 minutes"
    days = contract.days(event.retention)
    if event.at < now - timedelta(days=days):
        return "$.at", f"older than the retention contract of {days} days for such events: it would be purged at once"
    if isinstance(event, Searched | PageViewed | LinkClicked):
        # Free text is written anew even when it was clean: a field sent twice is decoded once, and the bytes as they
        # came would keep the other copy.
        event = scrub(event)
        return event, msgspec.json.encode(event)
    return event, bytes(raw)
