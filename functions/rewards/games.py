"""A game from its announcement to its transcript. Owns the documents of `games`; each step may be repeated.

open (announced, then played) → sealed (the list of tickets is published, nothing is added) → frozen (which tickets are
void is settled) → closed (seed and winners are public).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from functions.rewards.room import Room
from functions.rewards.rules import MOST_PRIZES, accepts_until, rules_of, rules_text, seals_until, ticket_of
from layers.game.beacon import NotOut, UnknownSource
from layers.game.chance import commitment, commitment_sha256, drawn, round_of, sealed_sha256, transcript
from layers.game.model import GameRules, Ticket
from layers.game.reading import InvalidGame, read_rules
from layers.retailers import Retailer
from layers.shell.answers import Problem
from layers.shell.log import log
from layers.stores.collections import GAMES, PRIZES, TICKETS
from layers.stores.firestore.port import Document

OPEN, SEALED, FROZEN, CLOSED = "open", "sealed", "frozen", "closed"


def game_id(retailer_id: str, game: str) -> str:
    return f"{retailer_id}:{game}"


def prizes_id(retailer_id: str, game: str, tier: str) -> str:
    return f"{retailer_id}:{game}:{tier}"


def _refused(kind: str, title: str, detail: str, status: int = 400) -> Problem:
    return Problem(status, kind, title, detail)


async def announce(room: Room, retailer: Retailer, text: str, now: datetime) -> dict[str, Any]:
    """Binds the rules and the seed, before anybody can play. The same rules again are answered the same.

    Raises:
        Problem: the rules are wrong, come too late, or are other than those that this game is bound to.
    """
    try:
        rules = read_rules(text)
        room.beacons.check(rules.beacon)
    except (InvalidGame, UnknownSource) as error:
        raise _refused("invalid-game", "The rules make no game", f"{error}. Nothing was announced.") from None
    if rules.kind == "instant" and any(tier.prizes > MOST_PRIZES for tier in rules.tiers):
        detail = f"A tier of an instant win has {MOST_PRIZES} prizes at most. Split it, or play a draw."
        raise _refused("too-many-prizes", "A tier has too many prizes", detail)
    if rules.seal_s < 4 * room.request_s:
        detail = f"`seal_s` is at least {4 * room.request_s:.0f}, or tickets on their way would miss the sealed list."
        raise _refused("seal-too-short", "There is no time to seal the list", detail)
    id, said = game_id(retailer.id, rules.game), rules_text(rules)
    known = await room.documents.get(GAMES, id)
    if known is None:
        if now >= rules.opens:
            detail = "`opens` is past, so the commitment could not be published before. Move the game."
            raise _refused("too-late", "The game would have begun already", detail)
        for tier in rules.tiers:
            place = {"retailer": retailer.id, "game": rules.game, "tier": tier.tier, "closes": rules.closes, "won": []}
            await room.documents.create(PRIZES, prizes_id(retailer.id, rules.game, tier.tier), place)
        sha256 = commitment_sha256(commitment(rules, room.keys[retailer.id].seed(retailer.id, rules)))
        data: dict[str, Any] = {
            "retailer": retailer.id,
            "game": rules.game,
            "rules": said,
            "commitment_sha256": sha256,
            "announced": now,
            "closes": rules.closes,
            "status": OPEN,
            "sealed": None,
            "sealed_sha256": "",
            "void": [],
            "rounds": {},
        }
        if await room.documents.create(GAMES, id, data):
            log("INFO", "game announced", retailer=retailer.id, game=rules.game, commitment=sha256)
        known = await room.documents.get(GAMES, id)
    assert known is not None
    if known.data["rules"] != said:
        detail = "A game of this name is bound to other rules, which nobody can change. Take another name."
        raise _refused("game-exists", "The rules of a game never change", detail, 409)
    return told(room, retailer, known.data)


def told(room: Room, retailer: Retailer, data: Mapping[str, Any]) -> dict[str, Any]:
    """What is public about a game at this moment."""
    rules = rules_of(data["rules"])
    return {
        "retailer": retailer.id,
        "game": rules.game,
        "status": data["status"],
        "announced": data["announced"],
        "commitment_sha256": data["commitment_sha256"],
        "commitment": commitment(rules, room.keys[retailer.id].seed(retailer.id, rules)),
        "sealed_sha256": data["sealed_sha256"],
        "sealed": data["sealed"],
    }


async def game_of(room: Room, retailer: Retailer, game: str) -> Document:
    """Raises:
    Problem: 404.
    """
    found = await room.documents.get(GAMES, game_id(retailer.id, game))
    if found is None:
        raise _refused("no-such-game", "There is no such game", "No game of this retailer has this name.", 404)
    return found


async def close(room: Room, retailer: Retailer, game: str, now: datetime) -> dict[str, Any]:
    """Goes as far as the time allows: seals the list of tickets, draws, reveals. To be called between
    `accepts_until` and `seals_until` of a draw, and again afterwards.

    Raises:
        Problem: it is too early; call again at the moment that it names.
    """
    document = await game_of(room, retailer, game)
    rules = rules_of(document.data["rules"])
    if document.data["status"] == OPEN:
        # Whoever was let in a moment before is done by then.
        due = accepts_until(rules) + timedelta(seconds=room.request_s)
        if now < due:
            raise _early(due)
        document = await _seal(room, rules, document, now)
    if document.data["status"] != CLOSED and now < seals_until(rules):
        return {**told(room, retailer, document.data), "next": seals_until(rules)}
    if document.data["status"] == SEALED:
        void = sorted(ticket.entry for ticket in await tickets_of(room, retailer.id, game) if ticket.void)
        document = await _changed(room, document, {"status": FROZEN, "void": void})
    if document.data["status"] == FROZEN:
        document = await _decide(room, retailer, rules, document)
    return told(room, retailer, document.data)


def _early(due: datetime) -> Problem:
    detail = f"Orders paid before the close may still arrive. Nothing was done; call again from {due.isoformat()} on."
    return _refused("too-early", "The game is not over", detail, 409)


async def _seal(room: Room, rules: GameRules, document: Document, now: datetime) -> Document:
    if rules.kind == "draw" and now >= seals_until(rules):
        # The round that decides may be out: a list made now could be one that suits somebody.
        log("ERROR", "a draw was not sealed in time", retailer=document.data["retailer"], game=rules.game)
        detail = (
            "The list of tickets was not sealed before the round that decides was out, so nobody could believe the "
            "draw, and none is made. Announce a new game, and have `close` called in time by a schedule."
        )
        raise _refused("sealed-too-late", "The draw can no longer be proven", detail, 409)
    sealed = ""
    if rules.kind == "draw":
        sealed = sealed_sha256(await tickets_of(room, document.data["retailer"], rules.game))
    done = await _changed(room, document, {"status": SEALED, "sealed": now, "sealed_sha256": sealed})
    log("INFO", "game sealed", retailer=document.data["retailer"], game=rules.game, sealed=sealed)
    return done


async def _decide(room: Room, retailer: Retailer, rules: GameRules, document: Document) -> Document:
    tickets = await settled(room, rules, document)
    rounds: dict[str, str] = {}
    numbers = {round_of(rules, ticket.at) for ticket in tickets}
    for number in sorted(numbers):
        try:
            rounds[str(number)] = (await room.beacons.value(rules.beacon, number)).hex()
        except NotOut as error:
            raise Problem(503, "no-beacon", "The beacon does not answer", f"{error}; call again.", 30) from None
    if rules.kind == "draw" and tickets:
        ((_, value),) = rounds.items()
        seed = room.keys[retailer.id].seed(retailer.id, rules)
        for ticket in drawn(rules, seed, bytes.fromhex(value), tickets):
            if ticket.outcome == "won":
                await _outcome(room, retailer.id, ticket)
    done = await _changed(room, document, {"status": CLOSED, "rounds": rounds})
    log("INFO", "game closed", retailer=retailer.id, game=rules.game, tickets=len(tickets), rounds=len(rounds))
    return done


async def _outcome(room: Room, retailer_id: str, ticket: Ticket) -> None:
    while True:
        held = await room.documents.get(TICKETS, f"{retailer_id}:{ticket.entry}")
        if held is None:
            return
        data = {**held.data, "outcome": ticket.outcome}
        if data == held.data or await room.documents.replace(TICKETS, held, data):
            return


async def _changed(room: Room, document: Document, change: Mapping[str, Any]) -> Document:
    """Whoever came first has decided; the others go on from what stands there."""
    if not await room.documents.replace(GAMES, document, {**document.data, **change}):
        log("INFO", "another request had gone on with the game", game=document.data["game"])
    newest = await room.documents.get(GAMES, document.id)
    assert newest is not None
    return newest


async def tickets_of(room: Room, retailer_id: str, game: str) -> list[Ticket]:
    """All that were issued, as they stand."""
    found = await room.documents.find(TICKETS, retailer=retailer_id, game=game)
    return [ticket_of(each.data) for each in found if each.data["outcome"]]


async def settled(room: Room, rules: GameRules, document: Document) -> list[Ticket]:
    """As they were when the game was frozen: what is cancelled later changes no winner."""
    void = set(document.data["void"])
    return [
        msgspec.structs.replace(
            ticket, void=ticket.entry in void, outcome="waiting" if rules.kind == "draw" else ticket.outcome
        )
        for ticket in await tickets_of(room, document.data["retailer"], rules.game)
    ]


async def published(room: Room, retailer: Retailer, game: str) -> dict[str, Any]:
    """The transcript, from which anybody recomputes every winner.

    Raises:
        Problem: the game is not closed; its seed is still secret.
    """
    document = await game_of(room, retailer, game)
    if document.data["status"] != CLOSED:
        raise _refused("not-closed", "The game is not closed", "Its seed is secret until then. Call `close`.", 409)
    rules = rules_of(document.data["rules"])
    seed = room.keys[retailer.id].seed(retailer.id, rules)
    rounds = {int(number): bytes.fromhex(value) for number, value in document.data["rounds"].items()}
    tickets = await settled(room, rules, document)
    if rules.kind == "draw" and tickets:
        (value,) = rounds.values()
        tickets = drawn(rules, seed, value, tickets)
    return transcript(commitment(rules, seed), seed, rounds, tickets, document.data["sealed_sha256"])
