"""`python -m layers.tree check FILE | draw FILE | publish FILE --retailer ID | show, pause, resume, stop, rollback,
unschedule --retailer ID | explain FILE --events JSONL | simulate FILE --sessions JSONL | variables | schema`.

What changes a retailer's programme reaches Firestore with the same environment values as the functions.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from datetime import datetime
from pathlib import Path

from layers.campaigns.reading import InvalidCampaign
from layers.game.reading import InvalidGame
from layers.tree.directing import direct
from layers.tree.examining import campaigns_in, check, draw, explain, games_in, refused, simulate
from layers.tree.problem import InvalidTree, told
from layers.tree.reading import read_yaml
from layers.tree.review import reviewed
from layers.tree.schema import written
from layers.tree.sessions import UnreadableFile
from layers.tree.variables import explained


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m layers.tree", description="Checks, draws and publishes a tree.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("check", "says what is wrong with a tree, or that nothing is"),
        ("draw", "prints a tree as an outline, or draws it"),
        ("publish", "makes a tree the one that a retailer shows"),
    ):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("file", type=Path)
        if name != "draw":
            command.add_argument(
                "--campaigns",
                type=Path,
                nargs="+",
                metavar="PATH",
                help="files or folders: what promotions are paid from",
            )
            command.add_argument(
                "--games", type=Path, nargs="+", metavar="PATH", help="rules, or folders of them: the games announced"
            )
        if name == "draw":
            command.add_argument("-o", "--out", type=Path, metavar="TREE.SVG", help="writes a picture there instead")
        if name == "check":
            command.add_argument("--strict", action="store_true", help="a warning counts as an error")
            command.add_argument("--json", action="store_true", help="for programs: one object with all problems")
        if name == "publish":
            _of_retailer(command)
            command.add_argument(
                "--at", type=_moment, metavar="MOMENT", help="goes live then, e.g. 2026-12-01T06:00+01:00; default: now"
            )
            command.add_argument(
                "--running",
                choices=("migrate", "finish"),
                default="migrate",
                help="journeys under way go on in the new tree (the default), or end in the one they began in",
            )
    for name, purpose in (
        ("show", "what a retailer shows, what is to come, and who said so"),
        ("pause", "shows the default to everybody until `resume`; what is scheduled stays"),
        ("resume", "ends a pause or a stop"),
        ("stop", "shows the default to everybody, within two seconds, and drops what is scheduled"),
        ("rollback", "shows what was shown before, to running shoppers too"),
        ("unschedule", "drops what is scheduled"),
    ):
        _of_retailer(commands.add_parser(name, help=purpose))
    path = commands.add_parser("explain", help="a shopper's path in plain words")
    path.add_argument("file", type=Path)
    path.add_argument("--shopper", help="the pseudonym, where the file of events has several")
    path.add_argument("--events", type=Path, required=True, metavar="JSONL", help="recorded events, also .gz")
    _replayed(path)
    replay = commands.add_parser("simulate", help="who would come where, what would be shown, and what it would cost")
    replay.add_argument("file", type=Path)
    replay.add_argument("--sessions", type=Path, required=True, metavar="JSONL", help="recorded events, also .gz")
    replay.add_argument("--against", type=Path, metavar="FILE", help="another tree, e.g. the live one, beside it")
    replay.add_argument("--json", action="store_true", help="for programs: one object with all figures")
    replay.add_argument("-o", "--out", type=Path, metavar="TREE.SVG", help="writes a picture with the traffic there")
    _replayed(replay)
    commands.add_parser("variables", help="lists what an expression may name")
    commands.add_parser("schema", help="prints the JSON Schema of a tree's file, for editors")
    return parser


def _of_retailer(command: argparse.ArgumentParser) -> None:
    command.add_argument("--retailer", required=True)
    if not command.prog.endswith(" show"):
        command.add_argument("--by", default=_user(), help="who says so, for the record; default: this machine's user")


def _replayed(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--parameters", type=Path, metavar="JSON", help="of one shopper, or a line a shopper, also .gz"
    )
    command.add_argument(
        "--absent-consent",
        choices=("granted", "refused"),
        default="granted",
        help="what holds where no event says so (granted; a retailer's own configuration may say otherwise)",
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container may run under a number that has no name.
        return "unknown"


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("a moment needs its offset, e.g. 2026-12-01T06:00+01:00")
    return at


def main(arguments: list[str]) -> int:
    """0 if all is well, 1 if the tree or the change is refused, 2 if it could not be read or published."""
    given = _arguments().parse_args(arguments)
    if given.command == "variables":
        print(explained())
        return 0
    if given.command == "schema":
        print(written(), end="")
        return 0
    if "file" not in given:
        return asyncio.run(direct(given, None, ""))
    try:
        source = given.file.read_text(encoding="utf-8")
        campaigns = campaigns_in(getattr(given, "campaigns", None))
        games = games_in(getattr(given, "games", None))
    except (OSError, UnicodeDecodeError) as error:
        name = getattr(error, "filename", None) or given.file
        print(f"{name} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", file=sys.stderr)
        return 2
    except InvalidCampaign as error:
        print(f"a campaign cannot be read, so nothing is checked against it: {error}", file=sys.stderr)
        return 2
    except InvalidGame as error:
        print(f"a game cannot be read, so nothing is checked against it: {error}", file=sys.stderr)
        return 2
    try:
        tree = read_yaml(source)
    except InvalidTree as error:
        return refused(given.file, error, getattr(given, "json", False))
    try:
        if given.command == "explain":
            return explain(tree, given)
        if given.command == "simulate":
            other = given.against
            return simulate(tree, read_yaml(other.read_text(encoding="utf-8")) if other else None, given)
    except InvalidTree as error:
        return refused(given.against, error, False)
    except (UnreadableFile, OSError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    if given.command == "draw":
        return draw(tree, given.out)
    problems = reviewed(tree, source, campaigns, games)
    if given.command == "check":
        return check(str(given.file), tree, problems, given)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        return refused(given.file, InvalidTree(errors), False)
    for problem in problems:
        print(told(problem, str(given.file)), file=sys.stderr)
    return asyncio.run(direct(given, tree, source))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
