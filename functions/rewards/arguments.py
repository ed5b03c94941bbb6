"""The words on the command line of whoever runs a retailer's games. Data and descriptions only; `__main__.py` acts."""

from __future__ import annotations

import argparse
from pathlib import Path

_BEFORE = """\
You need: the address of the service (the deployment's output `addresses`; on a laptop `python -m emulators status` has
it), and a Google identity that stands in your retailer's `compliance` list. Log in with `gcloud auth login`, give a
token with --token-file, or on a laptop say --laptop EMAIL."""

_AFTER = """\
Exit codes: 0 done and well; 1 not well: not closed yet, missed, or not verified; 2 it could not be asked or read, and
stderr says why. Every command may be repeated."""

_OPEN = """\
Announces a game by the file of its rules (layers/game/README.md): binds the rules and a secret seed, and says the hash
to publish. Do it, and publish the hash and the commitment (--out), before `opens`: afterwards it is refused. Rules that
were announced never change; the same file again is answered the same."""

_STATUS = "Shows every game of a retailer, or of one game its moments, tickets by outcome and prizes by tier."

_CLOSE = """\
Goes on with a game as far as the time allows: its tickets are sealed, its winners drawn, its seed revealed. The
schedule does it by itself every minute; by hand, and with --wait until it is done, where that does not run (a
laptop)."""

_WINNERS = "Lists the winning tickets of a game: tier, prize, whether claimed, in which list of refunds. No address."

_REFUNDS = """\
Writes the list of refunds of a reference of yours: each prize that is claimed and in no list yet, with the order and
the address. The same reference is always the same list; a prize stands in one list only. It holds personal data: keep
it as such."""

_TRANSCRIPT = "Writes what is published after the close: from it anybody recomputes every winner."

_VERIFY = "Fetches the transcript and recomputes every winner, as `python -m layers.game verify-draw` does of a file."


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m functions.rewards",
        description=f"For whoever runs a retailer's games.\n\n{_BEFORE}",
        epilog=_AFTER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, purpose: str, description: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=purpose, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_argument("--url", required=True, help="address of the service rewards")
        command.add_argument("--retailer", required=True, metavar="ID")
        who = command.add_mutually_exclusive_group()
        who.add_argument("--token-file", type=Path, metavar="FILE", help="an identity token, instead of gcloud's")
        who.add_argument("--laptop", metavar="EMAIL", help="on this machine's stack: ask as this person")
        return command

    opening = add("open", "announce a game before it opens", _OPEN)
    opening.add_argument("file", type=Path, help="the rules, in YAML")
    opening.add_argument("--out", type=Path, metavar="FILE", help="where the commitment is written, to be published")
    add("status", "show how games stand", _STATUS).add_argument("game", nargs="?")
    closing = add("close", "close a game by hand", _CLOSE)
    closing.add_argument("game")
    closing.add_argument("--wait", action="store_true", help="until it is closed; says what it waits for")
    add("winners", "list the winning tickets, without an address", _WINNERS).add_argument("game")
    refunds = add("refunds", "export the prizes to refund", _REFUNDS)
    refunds.add_argument("--reference", required=True, metavar="REF", help="your own name of the list")
    refunds.add_argument("--out", type=Path, required=True, metavar="FILE")
    written = add("transcript", "write what is published after the close", _TRANSCRIPT)
    written.add_argument("game")
    written.add_argument("--out", type=Path, required=True, metavar="FILE")
    checked = add("verify", "recompute every winner", _VERIFY)
    checked.add_argument("game")
    checked.add_argument("--commitment", metavar="SHA256", help="the hash that was published before the game opened")
    return parser
