"""The command line's way to what a retailer shows: publish, schedule, pause, stop, roll back. A thin shell.

Does not own the programme's rules (`programme`) nor its keeping (`live`).
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from functools import partial

from layers.declarations.settings import MissingSetting, Settings
from layers.tree import programme as programmes
from layers.tree.live import change, keep_version
from layers.tree.tree import Tree


async def direct(given: argparse.Namespace, tree: Tree | None, source: str) -> int:
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
