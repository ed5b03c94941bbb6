"""What a request may say, how a seed and a link to a prize are made, what a list of refund orders holds. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta

from layers.events.refusal import UNREADABLE, describe, fields_of
from layers.game.model import GameId, GameRules, Ticket
from layers.game.model import Paid as PaidBy
from layers.signing.canonical import canonical

CLAIM_DAYS = 60
"""So long after a game has closed, a prize may be claimed."""

MOST_PRIZES = 2000
"""In a tier of an instant win: they stand in one document, of a megabyte at most."""

MOST_REFUNDS = 1000
"""In one list, for the same reason."""

RetailerId = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]{1,19}$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
OrderId = Annotated[str, Meta(min_length=1, max_length=64)]
Token = Annotated[str, Meta(max_length=600)]
T = TypeVar("T", bound=msgspec.Struct)


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class NewGame(_Closed, frozen=True):
    """`rules`: the text of a game's file."""

    retailer: RetailerId
    rules: Annotated[str, Meta(max_length=200_000)]


class Paid(_Closed, frozen=True):
    """An order that was paid. `cents`: its basket, with VAT. `payment`: by what class of means.
    `household`: the retailer's digest of it; None where its event does not tell.
    """

    retailer: RetailerId
    shopper: Digest
    order: OrderId
    at: Annotated[datetime, Meta(tz=True)]
    cents: Annotated[int, Meta(ge=0, le=100_000_000)]
    payment: PaidBy = "unsaid"
    household: Digest | None = None


class Cancelled(_Closed, frozen=True):
    retailer: RetailerId
    order: OrderId
    at: Annotated[datetime, Meta(tz=True)]


class Question(_Closed, frozen=True):
    """What became of an order's tickets. `shoppers`: under each pseudonym key in use."""

    retailer: RetailerId
    shoppers: Annotated[list[Digest], Meta(max_length=4)]
    order: OrderId


class Due(_Closed, frozen=True):
    """Which games are to be gone on with: says nothing."""


class Named(_Closed, frozen=True):
    """One game."""

    retailer: RetailerId
    game: GameId


class Look(_Closed, frozen=True):
    token: Token


class Claim(_Closed, frozen=True):
    token: Token
    email: Annotated[str, Meta(max_length=1000)]


class Refunds(_Closed, frozen=True):
    """`reference`: the retailer's own; the same one is answered with the same list."""

    retailer: RetailerId
    reference: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class InvalidRequest(ValueError):
    """The body is not what this path takes. The message names the place and the rule, never a value."""


def read(body: bytes, kind: type[T]) -> T:
    """Raises:
    InvalidRequest: see there.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        path, rule = describe(error, fields_of(kind))
        raise InvalidRequest(f"{rule} (at {path})") from None


def rules_text(rules: GameRules) -> str:
    return canonical(msgspec.to_builtins(rules)).decode()


def rules_of(text: str) -> GameRules:
    return msgspec.json.decode(text, type=GameRules)


def accepts_until(rules: GameRules) -> datetime:
    """Orders paid before the close are taken so long after it; then half of `seal_s` is left to seal the list."""
    return rules.closes + timedelta(seconds=rules.seal_s / 2)


def seals_until(rules: GameRules) -> datetime:
    """After this moment the value that decides may be out."""
    return rules.closes + timedelta(seconds=rules.seal_s)


def may_play(rules: GameRules, payments: Sequence[str], payment: str) -> bool:
    """Whether a shopper may have one more ticket.

    Args:
        payments: how the orders of the tickets there are were paid. payment: and this one's.
    """
    of_its_kind = {str(way): most for way, most in rules.tickets_by_payment.items()}.get(payment)
    if len(payments) >= rules.tickets_per_shopper:
        return False
    return of_its_kind is None or payments.count(payment) < of_its_kind


def household_may_play(rules: GameRules, entries: Collection[str], entry: str) -> bool:
    """Whether this entry is, or may be, among those of a household.

    Args:
        entries: of all shoppers of the household, so far.
    """
    most = rules.tickets_by_household
    return most is UNSET or entry in entries or len(entries) < most


def prize_cents(rules: GameRules, ticket: Ticket) -> int:
    return min(ticket.basket_cents, rules.prize_cap_cents)


def ticket_of(data: Mapping[str, Any]) -> Ticket:
    """The ticket as it is published."""
    return Ticket(
        entry=data["entry"],
        tier=data["tier"],
        basket_cents=data["basket_cents"],
        at=data["at"],
        issued=data["issued"],
        outcome=data["outcome"],
        void=data["void"],
    )


class Link(msgspec.Struct, frozen=True, array_like=True):
    """What a link to a prize says. It holds no e-mail and no customer id."""

    retailer: str
    game: str
    entry: str
    shopper: str
    until: int


class NoLink(ValueError):
    """The token is none of ours, or was altered."""


def link_bytes(link: Link) -> bytes:
    """What is signed."""
    return b"gondola/claim/1\n" + msgspec.json.encode(link)


def token_of(link: Link, signature: bytes) -> str:
    parts = (msgspec.json.encode(link), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def read_token(token: str) -> tuple[Link, bytes]:
    """The link and its signature, which is to be verified.

    Raises:
        NoLink: see there.
    """
    try:
        said, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
        return msgspec.json.decode(said, type=Link), signature
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise NoLink("no link of ours") from None


_EMAIL = re.compile(
    r"[^\s@<>()\[\],;:\\\"]{1,64}@[A-Za-z0-9\u00a1-\uffff](?:[A-Za-z0-9.\u00a1-\uffff-]{0,250})\.[^\W\d_]{2,63}"
)


def email_of(text: str) -> str | None:
    """The address without blanks around it; None if it is none. Only a mail that arrives proves more."""
    text = text.strip()
    return text if len(text) <= 254 and ".." not in text and _EMAIL.fullmatch(text) else None


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def refund_list(
    retailer_id: str, number: int, reference: str, previous: str, made: datetime, orders: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A list's document. Its hash binds number, amounts and the list before, and nobody's address, so that it can be
    verified after the address is erased.

    Args:
        orders: game, entry and cents of each. previous: hash of the list before; empty for the first.
    """
    listed = [dict(each) for each in orders]
    return {
        "retailer": retailer_id,
        "number": number,
        "reference": reference,
        "previous": previous,
        "sha256": refund_sha256(retailer_id, number, reference, previous, text_of(made), listed),
        "made": made,
        "orders": listed,
    }


def refund_sha256(
    retailer_id: str, number: int, reference: str, previous: str, made: str, orders: Sequence[Mapping[str, Any]]
) -> str:
    bound = {
        "retailer": retailer_id,
        "number": number,
        "reference": reference,
        "previous": previous,
        "made": made,
        "orders": [{name: each[name] for name in ("game", "entry", "cents")} for each in orders],
    }
    return sha256(canonical(bound)).hexdigest()


def refund_lines(data: Mapping[str, Any], contacts: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The list as NDJSON: a head, then a line for each order to refund.

    Args:
        contacts: by entry; one that is erased is missing, and its line says null.
    """
    head = {name: data[name] for name in ("retailer", "number", "reference", "previous", "sha256")}
    lines: list[dict[str, Any]] = [{**head, "made": text_of(data["made"]), "orders": len(data["orders"])}]
    for each in data["orders"]:
        contact = contacts.get(each["entry"], {})
        lines.append({**each, "order": contact.get("order"), "email": contact.get("email")})
    return b"".join(canonical(line) + b"\n" for line in lines)


def audited(lists: Sequence[bytes]) -> list[str]:
    """What is wrong with lists as they were received, in the order of their numbers: a hash, a link between two, or a
    ticket that is paid twice. Empty: they are whole."""
    wrong: list[str] = []
    paid: set[str] = set()
    before: dict[str, Any] | None = None
    for text in lists:
        head, *orders = [msgspec.json.decode(line) for line in text.splitlines()]
        bound = (head["retailer"], head["number"], head["reference"], head["previous"], head["made"], orders)
        name = f"list {head['number']}"
        if refund_sha256(*bound) != head["sha256"] or head["orders"] != len(orders):
            wrong.append(f"{name} was altered: its hash is another")
        if before is not None and (head["number"], head["previous"]) != (before["number"] + 1, before["sha256"]):
            wrong.append(f"{name} does not follow list {before['number']}")
        twice = paid.intersection(each["entry"] for each in orders)
        wrong += [f"{name} pays ticket {entry} again" for entry in sorted(twice)]
        paid |= {each["entry"] for each in orders}
        before = head
    return wrong
