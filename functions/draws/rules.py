"""What is asked of `rewards`, and which of its answers somebody has to hear of. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

DUE, ADVANCE = "/v1/due", "/v1/advance"

QUIET = ("waiting", "closed")
"""Every other verdict is an error's line in the log: `late`, `missed`, `failed`."""


class Game(msgspec.Struct, frozen=True):
    """One whose next step is due."""

    retailer: str
    game: str


class Seen(msgspec.Struct, frozen=True):
    """Attributes:
    verdict: `waiting` (is gone on with later), `closed`, `late` (should long be closed; tried again), `missed` (a draw
        that was not sealed in time), `failed` (`rewards` did not answer of it; tried again).
    reason: why it is not closed, as `rewards` names it.
    """

    retailer: str
    game: str
    status: str
    verdict: str
    reason: str


def severity(seen: Seen) -> Literal["INFO", "ERROR"]:
    return "INFO" if seen.verdict in QUIET else "ERROR"


def failed(game: Game, reason: str) -> Seen:
    return Seen(game.retailer, game.game, "", "failed", reason)


def games_of(answer: object) -> list[Game]:
    """Raises msgspec.ValidationError where it is no answer of `rewards`."""
    return msgspec.convert(answer, dict[str, list[Game]])["games"]


def seen_of(game: Game, answer: object) -> Seen:
    """Raises msgspec.ValidationError where it is no answer of `rewards`."""
    said = msgspec.convert(answer, dict[str, str])
    return Seen(game.retailer, game.game, said["status"], said["verdict"], said["reason"])
