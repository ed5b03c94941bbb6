"""A game's announcement, what is told of it, its transcript. Owns the documents of `games`; each step may be repeated.

Does not own how it ends: `closing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from functions.rewards.room import Room
from functions.rewards.rules import MOST_PRIZES, rules_of, rules_text, ticket_of
from functions.rewards.stages import CLOSED, MISSED, OPEN, shortest_seal
from layers.game.beacon import UnknownSource
from layers.game.chance import commitment, commitment_sha256, commitment_to, drawn, transcript
from layers.game.model import GameRules, Ticket
from layers.game.reading import InvalidGame, read_rules
from layers.game.rounds import Round
from layers.retailers import Retailer
from layers.shell.answers import Problem
from layers.shell.log import log
from layers.stores.collections import GAMES, PRIZES, TICKETS
from layers.stores.firestore.port import Document


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
    shortest = shortest_seal(rules, room.request_s, room.tick_s)
    if rules.seal_s < shortest:
        detail = f"`seal_s` is at least {shortest:.0f}, or tickets on their way would miss the sealed list."
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
        seed = await room.seeds.drawn(retailer.id, rules.game)
        sha256 = commitment_sha256(commitment_to(rules, seed["seed_sha256"]))
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
            **seed,
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
        "commitment": commitment_to(rules, data["seed_sha256"]),
        "sealed_sha256": data["sealed_sha256"],
        "sealed": data["sealed"],
        "beacon": room.beacons.told(rules.beacon),
    }


async def game_of(room: Room, retailer: Retailer, game: str) -> Document:
    """Raises:
    Problem: 404.
    """
    found = await room.documents.get(GAMES, game_id(retailer.id, game))
    if found is None:
        raise _refused("no-such-game", "There is no such game", "No game of this retailer has this name.", 404)
    return found


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
    if document.data["status"] == MISSED:
        detail = "Its list of tickets was not sealed in time, so no draw was made and its seed stays secret."
        raise _refused("sealed-too-late", "The draw was never made", detail, 409)
    if document.data["status"] != CLOSED:
        detail = "Its seed is secret until then. The schedule of `draws` closes it within minutes of its time."
        raise _refused("not-closed", "The game is not closed", detail, 409)
    rules = rules_of(document.data["rules"])
    seed = bytes.fromhex(document.data["seed"])
    rounds = rounds_of(document.data["rounds"])
    tickets = await settled(room, rules, document)
    if rules.kind == "draw" and tickets:
        (decides,) = rounds
        tickets = drawn(rules, seed, decides.value, tickets)
    source, sealed = room.beacons.told(rules.beacon), document.data["sealed_sha256"]
    return transcript(commitment(rules, seed), seed, source, rounds, tickets, sealed)


def rounds_of(kept: Mapping[str, Mapping[str, str]]) -> list[Round]:
    """As a game's document keeps them."""
    return [
        Round(int(number), bytes.fromhex(each["signature"]), bytes.fromhex(each["previous"]))
        for number, each in kept.items()
    ]
