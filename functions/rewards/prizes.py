"""A won prize: the signed link to it, the address that its winner leaves, the refund orders that go out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from functions.rewards.room import Room
from functions.rewards.rules import (
    CLAIM_DAYS,
    MOST_REFUNDS,
    Claim,
    Link,
    NoLink,
    Refunds,
    email_of,
    link_bytes,
    prize_cents,
    read_token,
    refund_lines,
    refund_list,
    rules_of,
    ticket_of,
    token_of,
)
from layers.retailers import Retailer
from layers.shell.answers import Problem
from layers.shell.log import log
from layers.signing.keys import PublicKey
from layers.stores.collections import CONTACTS, GAMES, PLAYERS, REFUNDS, TICKETS
from layers.stores.firestore.port import Document

_ATTEMPTS = 20


async def with_link(room: Room, retailer_id: str, result: dict[str, Any]) -> dict[str, Any]:
    """A result as its shopper's page may have it: with the link, while the prize is to be claimed."""
    told = {name: result[name] for name in ("game", "outcome", "prize_cents")}
    if result["outcome"] != "won":
        return told
    id = f"{retailer_id}:{result['entry']}"
    if await room.documents.get(CONTACTS, id) is not None:
        return {**told, "claimed": True}
    until = int((result["closes"] + timedelta(days=CLAIM_DAYS)).timestamp())
    link = Link(retailer_id, result["game"], result["entry"], result["shopper"], until)
    return {**told, "claimed": False, "token": token_of(link, await room.signer.sign(link_bytes(link)))}


async def look(room: Room, token: str, now: datetime) -> tuple[dict[str, Any], Link | None, str]:
    """What a link leads to: its state (`open`, `claimed`, `late`, `void`, `unknown`), the retailer's name and the
    prize; the link and its order, if it is open."""
    try:
        link, signature = read_token(token)
        known = PublicKey(await room.signer.public_key()).verifies(signature, link_bytes(link))
    except NoLink:
        known = False
    if not known or link.retailer not in room.registry.by_id:
        return {"state": "unknown"}, None, ""
    id, retailer = f"{link.retailer}:{link.entry}", room.registry.by_id[link.retailer]
    ticket = await room.documents.get(TICKETS, id)
    game = await room.documents.get(GAMES, f"{link.retailer}:{link.game}")
    player = await room.documents.get(PLAYERS, f"{link.retailer}:{link.game}:{link.shopper}")
    order = player.data["orders"].get(link.entry) if player else None
    if ticket is None or game is None or order is None or ticket.data["outcome"] != "won":
        # Gone with its shopper's erasure, or with its delay.
        return {"state": "unknown"}, None, ""
    cents = prize_cents(rules_of(game.data["rules"]), ticket_of(ticket.data))
    told = {"retailer": retailer.name, "locale": retailer.locale, "currency": retailer.currency, "cents": cents}
    if ticket.data["void"]:
        return {"state": "void", **told}, None, ""
    if await room.documents.get(CONTACTS, id) is not None:
        return {"state": "claimed", **told}, None, ""
    if now.timestamp() > link.until:
        return {"state": "late", **told}, None, ""
    return {"state": "open", **told}, link, order


async def claim(room: Room, asked: Claim, now: datetime) -> dict[str, Any]:
    """Takes the address. The link is used up by the one document that can be created, so two at once leave one."""
    found, link, order = await look(room, asked.token, now)
    if link is None:
        return found
    email = email_of(asked.email)
    if email is None:
        return {**found, "state": "invalid"}
    contact = {
        "retailer": link.retailer,
        "game": link.game,
        "entry": link.entry,
        "shopper": link.shopper,
        "order": order,
        "email": email,
        "given": now,
    }
    if not await room.documents.create(CONTACTS, f"{link.retailer}:{link.entry}", contact):
        return {**found, "state": "claimed"}
    if await room.documents.get(PLAYERS, f"{link.retailer}:{link.game}:{link.shopper}") is None:
        # Erased in between: the erasure may have looked for contacts before this one was there.
        await room.documents.delete(CONTACTS, f"{link.retailer}:{link.entry}")
        return {"state": "unknown"}
    log("INFO", "prize claimed", retailer=link.retailer, game=link.game)
    return {**found, "state": "taken"}


async def refunds(room: Room, retailer: Retailer, asked: Refunds, now: datetime) -> bytes:
    """The list of this reference: made if it is new, of every prize that is claimed and in no list yet.

    A list takes its number by the one document that can be created, and is made after all lists before it were read; so
    whoever asks twice, or two at once, pays each prize once.
    """
    for _ in range(_ATTEMPTS):
        lists = sorted(await room.documents.find(REFUNDS, retailer=retailer.id), key=lambda each: each.data["number"])
        contacts = await room.documents.find(CONTACTS, retailer=retailer.id)
        same = next((each for each in lists if each.data["reference"] == asked.reference), None)
        if same is not None:
            return refund_lines(same.data, {each.data["entry"]: each.data for each in contacts})
        listed = {order["entry"] for each in lists for order in each.data["orders"]}
        orders = await _orders(room, retailer.id, [each for each in contacts if each.data["entry"] not in listed])
        previous = lists[-1].data["sha256"] if lists else ""
        number = lists[-1].data["number"] + 1 if lists else 1
        # Firestore keeps microseconds, and the list's hash binds milliseconds.
        made = now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000)
        data = refund_list(retailer.id, number, asked.reference, previous, made, orders)
        if await room.documents.create(REFUNDS, f"{retailer.id}:{number}", data):
            log("INFO", "refunds listed", retailer=retailer.id, number=number, orders=len(orders))
            return refund_lines(data, {each.data["entry"]: each.data for each in contacts})
    raise Problem(503, "try-again", "Others ask for lists, too", "Nothing was listed; ask again.", 5)


async def _orders(room: Room, retailer_id: str, contacts: list[Document]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for contact in contacts:
        if len(found) == MOST_REFUNDS:
            break
        ticket = await room.documents.get(TICKETS, contact.id)
        game = await room.documents.get(GAMES, f"{retailer_id}:{contact.data['game']}")
        if ticket is None or game is None or ticket.data["void"] or ticket.data["outcome"] != "won":
            continue
        cents = prize_cents(rules_of(game.data["rules"]), ticket_of(ticket.data))
        found.append({"game": contact.data["game"], "entry": contact.data["entry"], "cents": cents})
    return found
