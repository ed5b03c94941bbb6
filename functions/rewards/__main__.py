"""`python -m functions.rewards open | status | close | winners | refunds | transcript | verify`: for whoever runs a
retailer's games, worded in arguments.py."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from functions.rewards.arguments import arguments
from functions.rewards.desk import Desk
from functions.rewards.stages import CLOSED
from layers.calling.identity import CannotAsk, FromFile, FromGcloud, Identity, OnLaptop
from layers.signing.canonical import canonical

WELL, NOT_WELL, NOT_ASKED = 0, 1, 2


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _identity(given: argparse.Namespace) -> Identity:
    if given.laptop:
        return OnLaptop(given.url, given.laptop)
    return FromFile(given.token_file) if given.token_file else FromGcloud(given.url)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CannotAsk(f"{path} cannot be written: {error.strerror}; the same command fetches it again") from None


def _open(given: argparse.Namespace, desk: Desk) -> int:
    try:
        text = given.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotAsk(f"{given.file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    told = desk.announce(text)
    if given.out:
        _write(given.out, canonical(told["commitment"]))
    print(f"{told['game']} is {told['status']}; publish before it opens, with the commitment:")
    print(told["commitment_sha256"])
    if notice := told["beacon"].get("notice"):
        _say(f"its rounds are {notice}")
    return WELL


def _status(given: argparse.Namespace, desk: Desk) -> int:
    if not given.game:
        games = desk.games()
        for each in games:
            coming = f", next step from {each['next']}" if each["next"] else ""
            print(f"{each['game']}: {each['kind']}, {each['status']}, {each['opens']} to {each['closes']}{coming}")
        if not games:
            print("no game was announced")
        return WELL
    told = desk.standing(given.game)
    print(f"{told['game']}: {told['status']}, {told['opens']} to {told['closes']}")
    print(f"commitment {told['commitment_sha256']}")
    if told["sealed_sha256"]:
        print(f"list of tickets sealed {told['sealed']}: {told['sealed_sha256']}")
    if told["next"]:
        print(f"next step from {told['next']} on; of a draw the list is sealed until {told['seals'][1]}")
    print("tickets: " + (", ".join(f"{count} {name}" for name, count in sorted(told["tickets"].items())) or "none"))
    for tier in told["prizes"]:
        print(f"tier {tier['tier']}: {tier['won']} of {tier['prizes']} prizes won")
    return NOT_WELL if told["status"] == "missed" else WELL


def _winners(given: argparse.Namespace, desk: Desk) -> int:
    told = desk.standing(given.game)
    for each in told["winners"]:
        state = "void" if each["void"] else "claimed" if each["claimed"] else "not claimed"
        listed = f", in list {each['refund']}" if each["refund"] else ""
        print(f"{each['entry']} {each['tier']} {each['prize_cents'] / 100:.2f} {state}{listed}")
    print(f"{len(told['winners'])} winning tickets; the game is {told['status']}")
    return WELL


def _refunds(given: argparse.Namespace, desk: Desk) -> int:
    content = desk.refunds(given.reference)
    _write(given.out, content)
    head = json.loads(content.splitlines()[0])
    print(f"{given.out}: list {head['number']}, {head['orders']} orders to refund, hash {head['sha256']}")
    return WELL


def _verify(given: argparse.Namespace, desk: Desk) -> int:
    from layers.game.__main__ import main as game

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{given.game}.json"
        path.write_bytes(desk.transcript(given.game))
        return game(["verify-draw", str(path), *(["--commitment", given.commitment] if given.commitment else [])])


def _transcript(given: argparse.Namespace, desk: Desk) -> int:
    content = desk.transcript(given.game)
    _write(given.out, content)
    print(f"{given.out}: {len(json.loads(content)['tickets'])} tickets; publish it, `verify` recomputes it")
    return WELL


def _close(given: argparse.Namespace, desk: Desk) -> int:
    reached = desk.close(given.game, given.wait)
    print(f"{given.game} is {reached}")
    return WELL if reached == CLOSED else NOT_WELL


_COMMANDS: dict[str, Callable[[argparse.Namespace, Desk], int]] = {
    "open": _open,
    "status": _status,
    "close": _close,
    "winners": _winners,
    "refunds": _refunds,
    "transcript": _transcript,
    "verify": _verify,
}


def run(asked: argparse.Namespace, desk: Desk) -> int:
    """0 done and well, 1 not well.

    Raises:
        CannotAsk: it could not be asked, or was refused.
    """
    return _COMMANDS[asked.command](asked, desk)


def main(given: list[str]) -> int:
    """See the module."""
    asked = arguments().parse_args(given)
    try:
        return run(asked, Desk(asked.url, asked.retailer, _identity(asked), _say))
    except CannotAsk as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; nothing is lost, and the same command goes on from there", file=sys.stderr)
    return NOT_ASKED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
