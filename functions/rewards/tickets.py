"""Tickets: issued for paid orders, void for cancelled ones, asked about by their shopper.

Each write is of one document, and each may be repeated: a ticket is its order's, a prize its ticket's. So whatever is
delivered twice, out of order, or killed at any line, an order has one ticket and a tier never gives more than it has.
A prize is taken before its ticket is written, and says what the ticket will; `complete` ends what was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from functions.rewards.games import prizes_id
from functions.rewards.players import plays
from functions.rewards.room import Room
from functions.rewards.rules import (
    CLAIM_DAYS,
    Cancelled,
    Paid,
    Question,
    accepts_until,
    prize_cents,
    rules_of,
    ticket_of,
)
from functions.rewards.stages import CLOSED, MISSED, OPEN
from layers.game.chance import entry_of, round_of, value_of, wins
from layers.game.model import GameRules, Outcome, Tier
from layers.stores.collections import GAMES, PLAYERS, PRIZES, TICKETS
from layers.stores.households import ATTEMPTS, Contended


async def _games(room: Room, retailer_id: str) -> list[tuple[GameRules, dict[str, Any]]]:
    found = await room.documents.find(GAMES, retailer=retailer_id)
    return [(rules_of(each.data["rules"]), each.data) for each in found]


async def issue(room: Room, paid: Paid, now: datetime) -> dict[str, str]:
    """The order's ticket in each game, or why it has none, by game.

    Raises:
        NotOut: of the beacon; repeat.
    """
    return {
        rules.game: await _issue(room, paid, rules, data, now)
        for rules, data in await _games(room, paid.retailer)
        if rules.opens <= paid.at < rules.closes
    }


async def _issue(room: Room, paid: Paid, rules: GameRules, game: dict[str, Any], now: datetime) -> str:
    entry = entry_of(rules.game, paid.order)
    id = f"{paid.retailer}:{entry}"
    held = await room.documents.get(TICKETS, id)
    if held is not None:
        return held.data["outcome"] or "cancelled"
    if game["status"] != OPEN or now >= accepts_until(rules):
        return "too late"
    tier = rules.tier_of(paid.cents)
    if tier is None:
        return "too small"
    outcome: Outcome = "waiting"
    lucky = False
    if rules.kind == "instant":
        value = (await room.beacons.round(rules.beacon, round_of(rules, paid.at))).value
        lucky = wins(tier, value_of(await room.seeds.of(game), value, rules.game, entry))
        outcome = "lost"
    if not await plays(room.documents, paid, rules, entry):
        return "too many"
    if lucky:
        outcome, now = await _prize(room, paid, rules, tier, entry, now)
    data = _ticket(paid.retailer, rules.game, tier.tier, {**_chance(paid, entry), "issued": now}, outcome)
    if not await room.documents.create(TICKETS, id, data):
        held = await room.documents.get(TICKETS, id)
        return (held.data["outcome"] or "cancelled") if held else "cancelled"
    return outcome


def _chance(paid: Paid, entry: str) -> dict[str, Any]:
    return {"entry": entry, "basket_cents": paid.cents, "at": paid.at}


def _ticket(retailer_id: str, game: str, tier: str, chance: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    return {
        "retailer": retailer_id,
        "game": game,
        "tier": tier,
        "entry": chance["entry"],
        "basket_cents": chance["basket_cents"],
        "at": chance["at"],
        "issued": chance["issued"],
        "outcome": outcome,
        "void": False,
        "cancelled": None,
    }


async def complete(room: Room, retailer_id: str, rules: GameRules) -> None:
    """Every prize that was taken gets its ticket, when no more are issued.

    Whoever was killed between the two, and was not repeated in time, has won all the same. An order that was
    cancelled between the two has a void ticket: without it, nobody could see why a later one was told that all prizes
    were gone.
    """
    found = await room.documents.find(TICKETS, retailer=retailer_id, game=rules.game)
    whole = {each.data["entry"] for each in found if each.data["outcome"]}
    for tier in rules.tiers:
        prizes = await room.documents.get(PRIZES, prizes_id(retailer_id, rules.game, tier.tier))
        for chance in prizes.data["won"] if prizes else ():
            if chance["entry"] in whole:
                continue
            id = f"{retailer_id}:{chance['entry']}"
            made = _ticket(retailer_id, rules.game, tier.tier, chance, "won")
            while not await room.documents.create(TICKETS, id, made):
                held = await room.documents.get(TICKETS, id)
                if held is None:
                    continue
                if held.data["outcome"]:
                    break
                void = {**made, "void": held.data["void"], "cancelled": held.data["cancelled"]}
                if await room.documents.replace(TICKETS, held, void):
                    break


async def _prize(
    room: Room, paid: Paid, rules: GameRules, tier: Tier, entry: str, now: datetime
) -> tuple[Outcome, datetime]:
    """Takes one of the tier's prizes for a lucky ticket, if one is left.

    Returns:
        With the moment that counts: not before the last prize went, whatever the clocks of two instances say.
    """
    id = prizes_id(paid.retailer, rules.game, tier.tier)
    for _ in range(ATTEMPTS):
        held = await room.documents.get(PRIZES, id)
        assert held is not None, "a game's prizes are laid out before it is announced"
        won = held.data["won"]
        mine = next((each["issued"] for each in won if each["entry"] == entry), None)
        if mine is not None:
            return "won", mine
        last = max((each["issued"] for each in won), default=now)
        if len(won) >= tier.prizes:
            return "over", max(now, last)
        taken = {**_chance(paid, entry), "issued": max(now, last)}
        if await room.documents.replace(PRIZES, held, {**held.data, "won": [*won, taken]}):
            return "won", max(now, last)
    raise Contended


async def void(room: Room, cancelled: Cancelled, now: datetime) -> int:
    """Ends the tickets of an order, also those that are still to come: how many games it concerns."""
    concerned = 0
    for rules, _ in await _games(room, cancelled.retailer):
        if cancelled.at < rules.opens or now >= rules.closes + timedelta(days=CLAIM_DAYS):
            continue
        concerned += await _void(room, cancelled, rules, now)
    return concerned


async def _void(room: Room, cancelled: Cancelled, rules: GameRules, now: datetime) -> int:
    entry = entry_of(rules.game, cancelled.order)
    id = f"{cancelled.retailer}:{entry}"
    for _ in range(ATTEMPTS):
        held = await room.documents.get(TICKETS, id)
        if held is None:
            if now >= accepts_until(rules):
                return 0
            # Its payment may come after its cancellation: this keeps the place, and no ticket is issued in it.
            data = {
                "retailer": cancelled.retailer,
                "game": rules.game,
                "entry": entry,
                "tier": "",
                "basket_cents": 0,
                "at": cancelled.at,
                "issued": now,
                "outcome": "",
                "void": True,
                "cancelled": now,
            }
            if await room.documents.create(TICKETS, id, data):
                return 1
            continue
        if held.data["void"]:
            return 1
        if await room.documents.replace(TICKETS, held, {**held.data, "void": True, "cancelled": now}):
            return 1
    raise Contended


async def results(room: Room, asked: Question) -> list[dict[str, Any]]:
    """What the order's tickets are, for the shopper who plays with them. Nothing for anybody else."""
    found = []
    for rules, game in await _games(room, asked.retailer):
        entry = entry_of(rules.game, asked.order)
        held = await room.documents.get(TICKETS, f"{asked.retailer}:{entry}")
        if held is None or not held.data["outcome"]:
            continue
        shopper = await _player(room, asked, rules.game, entry)
        if shopper is None:
            continue
        ticket = ticket_of(held.data)
        outcome: str = ticket.outcome
        if outcome == "waiting":
            outcome = {CLOSED: "lost", MISSED: "undrawn"}.get(game["status"], outcome)
        found.append(
            {
                "game": rules.game,
                "entry": entry,
                "shopper": shopper,
                "outcome": "void" if ticket.void else outcome,
                "prize_cents": prize_cents(rules, ticket) if outcome == "won" and not ticket.void else 0,
                "closes": rules.closes,
            }
        )
    return found


async def _player(room: Room, asked: Question, game: str, entry: str) -> str | None:
    for shopper in asked.shoppers:
        held = await room.documents.get(PLAYERS, f"{asked.retailer}:{game}:{shopper}")
        if held is not None and entry in held.data["orders"]:
            return shopper
    return None
