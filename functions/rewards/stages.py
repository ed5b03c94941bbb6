"""How far a game is, and what is due of it at a moment. Pure.

open (announced, then played) → sealed (the list of tickets is published, nothing is added) → frozen (which tickets are
void is settled) → closed (seed and winners are public). A draw whose list was not sealed in time is missed, for good.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from functions.rewards.rules import accepts_until, seals_until
from layers.game.model import GameRules

OPEN, SEALED, FROZEN, CLOSED, MISSED = "open", "sealed", "frozen", "closed", "missed"

UNFINISHED = (OPEN, SEALED, FROZEN)

GRACE = timedelta(minutes=15)
"""A beacon is late, a store is down: somebody is told after so long, and it is tried again all the same."""

TICKS = 3
"""How often the schedule looks, at the least, while a draw's list may be sealed."""


class Verdict(StrEnum):
    """What a look at a game finds after it went as far as the time allows."""

    WAITING = "waiting"
    LATE = "late"
    CLOSED = "closed"
    MISSED = "missed"


def seals_from(rules: GameRules, request_s: float) -> datetime:
    """Whoever was let in a moment before `accepts_until` is done by then."""
    return accepts_until(rules) + timedelta(seconds=request_s)


def shortest_seal(rules: GameRules, request_s: float, tick_s: float) -> float:
    """The least `seal_s` (seconds). A draw's second half has room for a request on its way and `TICKS` looks."""
    return 2 * (request_s + TICKS * tick_s) if rules.kind == "draw" else 4 * request_s


def due_at(rules: GameRules, status: str, request_s: float) -> datetime | None:
    """When the next step may be done. None: there is none."""
    if status not in UNFINISHED:
        return None
    return seals_from(rules, request_s) if status == OPEN else seals_until(rules)


def judged(rules: GameRules, status: str, now: datetime) -> Verdict:
    """Of a game after it was looked at."""
    if status in (CLOSED, MISSED):
        return Verdict(status)
    return Verdict.LATE if now >= seals_until(rules) + GRACE else Verdict.WAITING
