"""`python -m layers.tree check FILE | draw FILE | publish FILE --retailer ID | show, pause, resume, stop, rollback,
unschedule --retailer ID | variables`.

What changes a retailer's programme reaches Firestore with the same environment values as the functions.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from layers.declarations.settings import MissingSetting, Settings
from layers.tree import programme as programmes
from layers.tree.live import change, keep_version
from layers.tree.outline import outline
from layers.tree.problem import InvalidTree, told
from layers.tree.reading import read_yaml
from layers.tree.schema import written
from layers.tree.tree import Tree
from layers.tree.variables import explained


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m layers.tree", description="Checks, draws and publishes a tree.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("check", "says what is wrong with a tree, or that nothing is"),
        ("draw", "prints a tree as an outline"),
        ("publish", "makes a tree the one that a retailer shows"),
    ):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("file", type=Path)
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
    commands.add_parser("variables", help="lists what an expression may name")
    commands.add_parser("schema", help="prints the JSON Schema of a tree's file, for editors")
    return parser


def _of_retailer(command: argparse.ArgumentParser) -> None:
    command.add_argument("--retailer", required=True)
    if not command.prog.endswith(" show"):
        command.add_argument("--by", default=_user(), help="who says so, for the record; default: this machine's user")


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


async def _programmed(given: argparse.Namespace, tree: Tree | None, source: str) -> int:
    from layers.stores.firestore.documents import FirestoreDocuments  # `check` needs no SDK.

    try:
        documents = FirestoreDocuments.of(Settings.of_process())
    except MissingSetting as error:
        print(f"nothing is changed: {error}", file=sys.stderr)
        return 2
    at, by = datetime.now(UTC), getattr(given, "by", "")
    if tree is not None:
        await keep_version(documents, given.retailer, tree, source)
    try:
        after, new = await change(documents, given.retailer, partial(_changed, given, tree, at, by))
    except programmes.Refused as error:
        print(f"nothing is changed: {error}", file=sys.stderr)
        return 1
    if tree is not None and given.at is None:
        print(f"{given.retailer} shows {tree.id} {tree.version} {'now' if new else 'already'}")
    else:
        print(programmes.told(after, at))
    return 0


def _changed(
    given: argparse.Namespace, tree: Tree | None, at: datetime, by: str, programme: programmes.Programme
) -> programmes.Programme:
    match given.command:
        case "publish":
            assert tree is not None
            if given.at is None:
                return programmes.publish(programme, tree.id, tree.version, at, by, given.running)
            return programmes.schedule(programme, tree.id, tree.version, given.at, at, by, given.running)
        case "pause":
            return programmes.pause(programme, at, by)
        case "resume":
            return programmes.resume(programme, at, by)
        case "stop":
            return programmes.stop(programme, at, by)
        case "rollback":
            return programmes.rollback(programme, at, by)
        case "unschedule":
            return programmes.unschedule(programme, at, by)
    return programme


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
        return asyncio.run(_programmed(given, None, ""))
    try:
        source = given.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"{given.file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", file=sys.stderr)
        return 2
    try:
        tree = read_yaml(source)
    except InvalidTree as error:
        for problem in error.problems:
            print(told(problem, str(given.file)), file=sys.stderr)
        print(
            f"{len(error.problems)} to correct; not usable. Variables: python -m layers.tree variables", file=sys.stderr
        )
        return 1
    if given.command == "draw":
        print(outline(tree))
        return 0
    if given.command == "publish":
        return asyncio.run(_programmed(given, tree, source))
    print(f"{given.file}: {tree.id} {tree.version}, {len(tree.places)} nodes, nothing to correct")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
