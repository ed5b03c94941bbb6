"""How a game ends: sealed, frozen, decided. Each step may be repeated, by whomever: the schedule, or an officer.

Whatever is killed at any line is gone on with by the next call, and two at once end the same: a step is one document
that is written over what was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from functions.rewards.games import game_of, rounds_of, settled, tickets_of, told
from functions.rewards.room import Room
from functions.rewards.rules import rules_of, seals_until
from functions.rewards.stages import (
    CLOSED,
    FROZEN,
    MISSED,
    OPEN,
    SEALED,
    UNFINISHED,
    due_at,
    judged,
    seals_from,
)
from functions.rewards.tickets import complete
from layers.game.beacon import NotOut
from layers.game.chance import drawn, round_of, sealed_sha256
from layers.game.model import GameRules, Ticket
from layers.retailers import Retailer
from layers.shell.answers import Problem
from layers.shell.log import log
from layers.stores.collections import GAMES, TICKETS
from layers.stores.firestore.port import Document

ROUNDS_A_CALL = 100
"""Of the beacon, asked for in one request; an instant win of a month has 720, and the next call goes on."""


async def due(room: Room, now: datetime) -> list[dict[str, str]]:
    """The games of which a step may be done now, of every retailer."""
    found = []
    for status in UNFINISHED:
        for document in await room.documents.find(GAMES, status=status):
            moment = due_at(rules_of(document.data["rules"]), status, room.request_s)
            if moment is not None and moment <= now and document.data["retailer"] in room.registry.by_id:
                found.append({"retailer": document.data["retailer"], "game": document.data["game"]})
    return sorted(found, key=lambda each: (each["retailer"], each["game"]))


async def advance(room: Room, retailer: Retailer, game: str, now: datetime) -> dict[str, Any]:
    """As `close`, and says whether somebody has to look: a beacon that is silent is asked again by the next call.

    Raises:
        Problem: 404.
    """
    reason = ""
    try:
        await close(room, retailer, game, now)
    except Problem as problem:
        if problem.status == 404:
            raise
        reason = problem.kind
    data = (await game_of(room, retailer, game)).data
    return {"status": data["status"], "verdict": judged(rules_of(data["rules"]), data["status"], now), "reason": reason}


async def close(room: Room, retailer: Retailer, game: str, now: datetime) -> dict[str, Any]:
    """Goes as far as the time allows: seals the list of tickets, draws, reveals. To be called between
    `seals_from` and `seals_until` of a draw, and again afterwards.

    Raises:
        Problem: it is too early; call again at the moment that it names. Or the beacon does not answer; call again.
            Or a draw was not sealed in time, and never will be.
    """
    document = await game_of(room, retailer, game)
    rules = rules_of(document.data["rules"])
    if document.data["status"] == OPEN:
        moment = seals_from(rules, room.request_s)
        if now < moment:
            raise _early(moment)
        document = await _seal(room, rules, document, now)
    if document.data["status"] == MISSED:
        raise _missed()
    if document.data["status"] != CLOSED and now < seals_until(rules):
        return {**told(room, retailer, document.data), "next": seals_until(rules)}
    if document.data["status"] == SEALED:
        void = sorted(ticket.entry for ticket in await tickets_of(room, retailer.id, game) if ticket.void)
        document = await _changed(room, document, {"status": FROZEN, "void": void})
    if document.data["status"] == FROZEN:
        document = await _decide(room, retailer, rules, document)
    return told(room, retailer, document.data)


def _early(moment: datetime) -> Problem:
    detail = (
        f"Orders paid before the close may still arrive. Nothing was done; call again from {moment.isoformat()} on."
    )
    return Problem(409, "too-early", "The game is not over", detail, more={"next": moment.isoformat()})


def _missed() -> Problem:
    detail = (
        "The list of tickets was not sealed before the round that decides was out, so nobody could believe the "
        "draw, and none is made. Announce a new game, and see why the schedule of `draws` did not run."
    )
    return Problem(409, "sealed-too-late", "The draw can no longer be proven", detail)


async def _seal(room: Room, rules: GameRules, document: Document, now: datetime) -> Document:
    if rules.kind == "draw" and now >= seals_until(rules):
        # The round that decides may be out: a list made now could be one that suits somebody.
        log("ERROR", "a draw was not sealed in time", retailer=document.data["retailer"], game=rules.game)
        return await _changed(room, document, {"status": MISSED})
    sealed = ""
    if rules.kind == "instant":
        await complete(room, document.data["retailer"], rules)
    else:
        sealed = sealed_sha256(await tickets_of(room, document.data["retailer"], rules.game))
    done = await _changed(room, document, {"status": SEALED, "sealed": now, "sealed_sha256": sealed})
    log("INFO", "game sealed", retailer=document.data["retailer"], game=rules.game, sealed=sealed)
    return done


async def _decide(room: Room, retailer: Retailer, rules: GameRules, document: Document) -> Document:
    tickets = await settled(room, rules, document)
    rounds: dict[str, dict[str, str]] = dict(document.data["rounds"])
    missing = sorted({round_of(rules, ticket.at) for ticket in tickets} - {int(number) for number in rounds})
    silent: NotOut | None = None
    for number in missing[:ROUNDS_A_CALL]:
        try:
            found = await room.beacons.round(rules.beacon, number)
            rounds[str(number)] = {"signature": found.signature.hex(), "previous": found.previous.hex()}
        except NotOut as error:
            silent = error
            break
    if len(rounds) < len(document.data["rounds"]) + len(missing):
        await _changed(room, document, {"rounds": rounds})
        said = f"{silent}; call again." if silent else f"{len(rounds)} rounds of the beacon are here; call again."
        raise Problem(503, "no-beacon" if silent else "not-yet", "Not all rounds of the beacon are here", said, 30)
    seed = await room.seeds.of(document.data)
    if rules.kind == "draw" and tickets:
        (decides,) = rounds_of(rounds)
        for ticket in drawn(rules, seed, decides.value, tickets):
            if ticket.outcome == "won":
                await _outcome(room, retailer.id, ticket)
    done = await _changed(room, document, {"status": CLOSED, "rounds": rounds, "seed": seed.hex()})
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
