"""`python -m layers.game check FILE | verify-draw FILE`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from layers.game.verify import Verdict, verify


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m layers.game", description="Checks a game's rules; recomputes its winners."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="says what is wrong with a game's rules, and what it can cost at most")
    check.add_argument("file", type=Path)
    draw = commands.add_parser(
        "verify-draw",
        help="recomputes every winner from a published transcript",
        description="Recomputes every winner from a published transcript, offline and with Python alone; and verifies "
        "that the beacon's key signed each round, for which it needs `pip install pyblst`.",
    )
    draw.add_argument("file", type=Path)
    draw.add_argument("--commitment", metavar="SHA256", help="the hash that was published before the game opened")
    draw.add_argument("--order", metavar="ID", help="your order's id: what its ticket is and what it won")
    draw.add_argument(
        "--online",
        nargs="*",
        metavar="RELAY",
        help="also ask the beacon's public relays (or these addresses) for each round, and compare",
    )
    return parser


def _check(path: Path) -> int:
    from msgspec import UNSET  # `verify-draw` needs nothing of these.

    from layers.game.reading import InvalidGame, read_rules

    try:
        rules = read_rules(path.read_text(encoding="utf-8"))
    except InvalidGame as error:
        for problem in error.problems:
            print(f"{path}: {problem}", file=sys.stderr)
        return 1
    prizes, household = sum(tier.prizes for tier in rules.tiers), rules.tickets_by_household
    limits = f"{rules.tickets_per_shopper} tickets a shopper"
    if household is not UNSET:
        limits += f", {household} a household whose digest the orders tell"
    print(f"{path}: {rules.game}, {prizes} prizes, at most {rules.most_cents / 100:.2f} in all; {limits}")
    print(f"{path}: nothing to correct")
    return 0


def _told(verdict: Verdict, committed: str | None) -> None:
    print(f"{verdict.tickets} tickets, {len(verdict.winners)} winners")
    if committed is None:
        print(f"commitment {verdict.commitment_sha256}: compare it with what was published before the game opened")
    for number, value in verdict.rounds:
        print(f"round {number} of the beacon: {value}")


def _verify(path: Path, committed: str | None, order: str | None, relays: Sequence[str] | None) -> int:
    transcript = json.loads(path.read_text(encoding="utf-8"))
    verdict = verify(transcript)
    if committed is not None and committed.lower() != verdict.commitment_sha256:
        verdict.problems.append("the commitment is not the one that was published: the rules or the seed were changed")
    signed = _signed(transcript, verdict)
    if relays is not None and not verdict.problems:
        _compared(transcript, relays, verdict)
    _told(verdict, committed)
    if order is not None:
        game = transcript["commitment"]["rules"]["game"]
        entry = sha256(f"{game}\0{order}".encode()).hexdigest()
        mine = next((ticket for ticket in transcript["tickets"] if ticket["entry"] == entry), None)
        if mine is None:
            print("your order has no ticket in this game: if you were told of one, the transcript is not complete")
        else:
            print(f"your ticket {entry}: {mine['outcome']}{', void' if mine.get('void') else ''}")
    for said in (*verdict.problems, *verdict.doubts):
        print(said, file=sys.stderr)
    right = f"every winner is right; {signed}"
    print("the winners are NOT those of the rules" if verdict.problems else right)
    return 1 if verdict.problems else 0


def _signed(transcript: dict[str, Any], verdict: Verdict) -> str:
    """What was found out about the beacon's signatures; a wrong one is a problem of the verdict."""
    from layers.game.checking import unsigned
    from layers.game.rounds import CannotVerify

    try:
        wrong = unsigned(transcript)
    except CannotVerify as error:
        verdict.doubts.append(f"the rounds' signatures were NOT verified: {error}, or compare with the beacon's page")
        return "the rounds were not verified"
    verdict.problems += [f"round {number} was not signed by the beacon's key" for number in wrong]
    return "each round was signed by the beacon's key"


def _compared(transcript: dict[str, Any], relays: Sequence[str], verdict: Verdict) -> None:
    from layers.game.beacon import RELAYS, NotOut, UnknownSource
    from layers.game.checking import otherwise

    try:
        wrong = asyncio.run(otherwise(transcript, relays or RELAYS))
    except (NotOut, UnknownSource) as error:
        verdict.doubts.append(f"the rounds were NOT compared with the beacon's relays: {error}")
        return
    print(f"{len(transcript['rounds'])} rounds compared with the beacon's relays")
    verdict.problems += [f"round {number} is another one at the beacon's relays" for number in wrong]


def main(arguments: list[str]) -> int:
    """0 if all is well, 1 if it is not, 2 if the file cannot be read."""
    given = _arguments().parse_args(arguments)
    try:
        if given.command == "check":
            return _check(given.file)
        return _verify(given.file, given.commitment, given.order, given.online)
    except (OSError, UnicodeDecodeError) as error:
        print(f"{given.file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", file=sys.stderr)
    except (ValueError, KeyError, TypeError) as error:
        print(
            f"{given.file} is no transcript of a game ({type(error).__name__}); nothing was verified", file=sys.stderr
        )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
