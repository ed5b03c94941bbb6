"""How a retailer's games stand, for its own people: tickets, prizes, what is claimed and paid. Writes nothing.

Never says whose a ticket is nor where a winner is reached: that goes out in a list of refunds alone.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from functions.rewards.games import game_of, told
from functions.rewards.room import Room
from functions.rewards.rules import accepts_until, prize_cents, rules_of, seals_until, ticket_of
from functions.rewards.stages import due_at, seals_from
from layers.retailers import Retailer
from layers.stores.collections import CONTACTS, GAMES, REFUNDS, TICKETS


async def games(room: Room, retailer: Retailer) -> list[dict[str, Any]]:
    """Every game of a retailer, the one that opens first before the others."""
    found = await room.documents.find(GAMES, retailer=retailer.id)
    listed = [
        {
            "game": rules.game,
            "kind": rules.kind,
            "status": each.data["status"],
            "opens": rules.opens,
            "closes": rules.closes,
            "next": due_at(rules, each.data["status"], room.request_s),
            "commitment_sha256": each.data["commitment_sha256"],
        }
        for each in found
        for rules in [rules_of(each.data["rules"])]
    ]
    return sorted(listed, key=lambda each: (each["opens"], each["game"]))


async def standing(room: Room, retailer: Retailer, game: str) -> dict[str, Any]:
    """One game: its moments, its tickets by outcome, its prizes by tier, and its winners without a name.

    Raises:
        Problem: 404.
    """
    document = await game_of(room, retailer, game)
    rules = rules_of(document.data["rules"])
    held = [each.data for each in await room.documents.find(TICKETS, retailer=retailer.id, game=game)]
    tickets = [ticket_of(data) for data in held if data["outcome"]]
    claimed = {each.data["entry"] for each in await room.documents.find(CONTACTS, retailer=retailer.id)}
    lists = await room.documents.find(REFUNDS, retailer=retailer.id)
    paid = {order["entry"]: each.data["number"] for each in lists for order in each.data["orders"]}
    winners = [
        {
            "entry": ticket.entry,
            "tier": ticket.tier,
            "prize_cents": prize_cents(rules, ticket),
            "void": ticket.void,
            "claimed": ticket.entry in claimed,
            "refund": paid.get(ticket.entry),
        }
        for ticket in sorted(tickets, key=lambda ticket: (ticket.issued, ticket.entry))
        if ticket.outcome == "won"
    ]
    won = Counter(each["tier"] for each in winners)
    return {
        **told(room, retailer, document.data),
        "opens": rules.opens,
        "closes": rules.closes,
        "accepts_until": accepts_until(rules),
        "seals": [seals_from(rules, room.request_s), seals_until(rules)],
        "next": due_at(rules, document.data["status"], room.request_s),
        "tickets": dict(Counter("void" if ticket.void else ticket.outcome for ticket in tickets)),
        "prizes": [{"tier": tier.tier, "prizes": tier.prizes, "won": won[tier.tier]} for tier in rules.tiers],
        "winners": winners,
    }
