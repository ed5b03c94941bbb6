"""`python -m emulators.shop`: brings a stack up, tells the story on it, writes the summary, stops everything."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from emulators.capture import ROOT
from emulators.cli import EXPLAINED
from emulators.shop import report
from emulators.shop.journey_data import SHOPS_TIMEZONE
from emulators.shop.screen import Screen
from emulators.shop.stage import DemoFailed, Stage
from emulators.shop.story import Options, tell_all
from emulators.stack import Stack
from layers.declarations.settings import Settings
from layers.retailers import Retailer

RETAILER = "demo"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "python -m emulators.shop",
        description="A year of real purchases and one live day through the whole laptop stack, and what came of them.",
    )
    made.add_argument(
        "--folder", type=Path, default=ROOT / ".demo", help="for summary.json and the stack (default: .demo)"
    )
    made.add_argument("--history-days", type=_positive, metavar="N", help="only the last N days before the live day")
    made.add_argument("--sessions", type=_positive, metavar="N", help="only the first N orders of the live day")
    made.add_argument("--graph", type=Path, metavar="FILE", help="use this captured graph instead of capturing one")
    return made


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number


def stage_of(stack: Stack, folder: Path) -> Stage:
    """What the story needs of a stack."""
    entry = next((each for each in stack.wiring.retailers() if each["id"] == RETAILER), None)
    if entry is None:
        raise DemoFailed(f"the stack has no retailer {RETAILER!r}, whose shop this is; add it to Pulumi.dev.yaml")
    values: dict[str, str] = {}
    for function in stack.functions:
        values |= stack.environment(function)

    def fire(job: str, at: datetime | None) -> tuple[int, dict[str, Any]]:
        status, body = stack.fire(job, at)
        try:
            found = json.loads(body or "{}")
        except ValueError:
            found = {}
        return status, found if isinstance(found, dict) else {}

    return Stage(
        retailer=Retailer.parse(entry, "the stack"),
        values=Settings(values | stack.hosts),
        addresses={name: stack.address(name) for name in stack.functions},
        fire=fire,
        logs=folder / "logs",
        repository=ROOT,
        graph=stack.summary,
    )


def run(arguments: Sequence[str]) -> int:
    """0: every step held. 1: one did not, or the stack did not come up. 130: interrupted."""
    options = parser().parse_args(arguments)
    # Where nobody says how wide the paper is, a journey's conditions need more than the usual 80 columns.
    screen = Screen(Console(width=None if sys.stdout.isatty() else 150))
    begun = time.monotonic()
    folder = options.folder / "stack"
    # So that a stopped demo stops what it has begun, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    today = datetime.now(SHOPS_TIMEZONE).date()
    try:
        with Stack.up(folder, graph=options.graph, say=screen.say) as stack:
            # The official Firestore client finds its emulator in no other way.
            os.environ.update(stack.hosts)
            stage = stage_of(stack, folder)
            try:
                found = tell_all(stage, Options(today, options.history_days, options.sessions), screen, begun)
            finally:
                _say_what_died(stack)
        numbers = report.summary(found)
        report.write(numbers, options.folder / "summary.json")
        screen.console.print()
        screen.console.print(report.table(numbers))
        screen.say(f"the same, with more: {options.folder / 'summary.json'}")
        return 0
    except KeyboardInterrupt:
        print("interrupted; everything that the demo had started is stopped", file=sys.stderr)
        return 130
    except (DemoFailed, *EXPLAINED) as error:
        print(f"\nthe demo failed: {error}\nlogs: {folder / 'logs'}", file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        print(f"\nthe demo failed at an error that it does not expect, above\nlogs: {folder / 'logs'}", file=sys.stderr)
        return 1


def _say_what_died(stack: Stack) -> None:
    dead = sorted(name for name, running in stack.processes().items() if not running)
    if dead:
        print(f"\nstopped by itself: {', '.join(dead)}; its log says why", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
