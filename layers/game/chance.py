"""Who wins: a number that nobody can foresee, and what it means. Pure.

value(order) = HMAC-SHA256(HMAC-SHA256(seed, beacon), game ‖ 0 ‖ entry), and entry = SHA-256(game ‖ 0 ‖ order id).

The seed is bound by its hash before the game opens, so nobody can choose it later; the beacon's round is out only after
that, so nobody can have chosen the seed for it; the order's id is the retailer's, so no player chooses it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from layers.game.model import GameRules, Ticket, Tier
from layers.game.rounds import Round
from layers.signing.canonical import canonical

SEED_BYTES = 32


def commitment(rules: GameRules, seed: bytes) -> dict[str, Any]:
    """What is published before the game opens, as canonical JSON: the rules, whole, and the seed's hash."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} random bytes, so that nobody can guess it from its hash")
    return commitment_to(rules, sha256(seed).hexdigest())


def commitment_to(rules: GameRules, seed_sha256: str) -> dict[str, Any]:
    """The same, of a seed that is sealed."""
    return {"commitment": 1, "rules": _plain(rules), "seed_sha256": seed_sha256}


def commitment_sha256(commitment: dict[str, Any]) -> str:
    """The one line that binds the retailer: whoever wrote it down before the opening can hold the game to it."""
    return sha256(canonical(commitment)).hexdigest()


def entry_of(game: str, order_id: str) -> str:
    return sha256(f"{game}\0{order_id}".encode()).hexdigest()


def value_of(seed: bytes, beacon: bytes, game: str, entry: str) -> int:
    """A number below 2^256, each as likely as any other."""
    key = hmac.digest(seed, beacon, "sha256")
    return int.from_bytes(hmac.digest(key, f"{game}\0{entry}".encode(), "sha256"), "big")


def wins(tier: Tier, value: int) -> bool:
    """Of an instant win, while the tier has prizes. To within 2^-256, the odds are exactly those declared."""
    if tier.odds is None:
        raise ValueError("a draw's tiers have no odds: its winners are ranked")
    return value * tier.odds.of < tier.odds.wins << 256


def round_of(rules: GameRules, at: datetime) -> int:
    """Which round of the beacon decides a ticket of that moment: of an instant win the first of its epoch, of a draw
    the first after the list of tickets was sealed."""
    if rules.kind == "draw":
        return rules.beacon.first_round_from(rules.closes + timedelta(seconds=rules.seal_s))
    epochs = int((at - rules.opens).total_seconds() // rules.epoch_s)
    return rules.beacon.first_round_from(rules.opens + timedelta(seconds=epochs * rules.epoch_s))


def sealed_sha256(tickets: Sequence[Ticket]) -> str:
    """Of a draw's list, published before the round that decides is out."""
    listed = sorted([ticket.entry, ticket.tier] for ticket in tickets)
    return sha256(canonical(listed)).hexdigest()


def drawn(rules: GameRules, seed: bytes, beacon: bytes, tickets: Sequence[Ticket]) -> list[Ticket]:
    """The tickets with their outcomes: in each tier the lowest values win, as many as it has prizes. A ticket that is
    void is passed over, and whoever follows moves up; nobody else's rank depends on it."""
    outcomes: dict[str, Ticket] = {}
    for tier in rules.tiers:
        playing = [ticket for ticket in tickets if ticket.tier == tier.tier and not ticket.void]
        ranked = sorted(playing, key=lambda ticket: value_of(seed, beacon, rules.game, ticket.entry))
        for rank, ticket in enumerate(ranked):
            outcome = "won" if rank < tier.prizes else "lost"
            outcomes[ticket.entry] = msgspec.structs.replace(ticket, outcome=outcome)
    return [outcomes.get(ticket.entry, msgspec.structs.replace(ticket, outcome="lost")) for ticket in tickets]


def transcript(
    commitment: dict[str, Any],
    seed: bytes,
    source: Mapping[str, Any],
    rounds: Iterable[Round],
    tickets: Sequence[Ticket],
    sealed: str = "",
) -> dict[str, Any]:
    """What is published after the close, as canonical JSON: all that `verify` needs.

    Args:
        source: what is published of the beacon (`Beacons.told`). rounds: those that decided a ticket.
        sealed: of a draw: `sealed_sha256` as it was published before the round was out.
    """
    return {
        "transcript": 2,
        "commitment": commitment,
        "seed": seed.hex(),
        "beacon": dict(source),
        "rounds": [
            {
                "round": each.number,
                "value": each.value.hex(),
                "signature": each.signature.hex(),
                "previous": each.previous.hex(),
            }
            for each in sorted(rounds, key=lambda each: each.number)
        ],
        "sealed_sha256": sealed,
        "tickets": [_plain(ticket) for ticket in sorted(tickets, key=lambda ticket: ticket.entry)],
    }


def _plain(value: GameRules | Ticket) -> dict[str, Any]:
    return dict(msgspec.to_builtins(value))
