"""`python -m layers.tree check FILE | publish FILE --retailer ID | draw FILE | variables`.

`publish` reaches Firestore with the same environment values as the functions.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from layers.declarations.settings import MissingSetting, Settings
from layers.tree.live import publish
from layers.tree.outline import outline
from layers.tree.reading import read_yaml
from layers.tree.tree import InvalidTree, Tree
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
            command.add_argument("--retailer", required=True)
    commands.add_parser("variables", help="lists what an expression may name")
    return parser


async def _publish(retailer_id: str, tree: Tree, source: str) -> int:
    from layers.stores.firestore.documents import FirestoreDocuments  # `check` needs no SDK.

    try:
        documents = FirestoreDocuments.of(Settings.of_process())
    except MissingSetting as error:
        print(f"not published: {error}", file=sys.stderr)
        return 2
    new = await publish(documents, retailer_id, tree, source)
    print(f"{retailer_id} shows {tree.id} {tree.version} {'now' if new else 'already'}")
    return 0


def main(arguments: list[str]) -> int:
    """0 if all is well, 1 if the tree is refused, 2 if it could not be read or published."""
    given = _arguments().parse_args(arguments)
    if given.command == "variables":
        print(explained())
        return 0
    try:
        source = given.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"{given.file} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", file=sys.stderr)
        return 2
    try:
        tree = read_yaml(source)
    except InvalidTree as error:
        for problem in error.problems:
            print(f"{given.file}: {problem}", file=sys.stderr)
        print(
            f"{len(error.problems)} to correct; not usable. Variables: python -m layers.tree variables", file=sys.stderr
        )
        return 1
    if given.command == "draw":
        print(outline(tree))
        return 0
    if given.command == "publish":
        return asyncio.run(_publish(given.retailer, tree, source))
    print(f"{given.file}: {tree.id} {tree.version}, {len(tree.places)} nodes, nothing to correct")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
