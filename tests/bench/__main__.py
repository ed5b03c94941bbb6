"""Measures what an event, a decision and a row cost, beside what they are held against.

Prints one table and writes tests/bench/results/<part>.json. tests/bench/README.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from emulators.processes import ProcessFailed
from emulators.processes.sdk import NotInstalled
from infra.archives import CannotBuild
from infra.lock import InvalidLock
from tests.bench.cores import Cores, Neighbours, TooFewCores, pin
from tests.bench.measured import WrongRun
from tests.bench.servers import INGEST, ROOT
from tests.bench.setting import Effort, Outcome, Setting
from tests.bench.table import Line, text

RESULTS = Path(__file__).with_name("results")

QUIET = 0.05
"""The share of the cores that others may use before the reader is told."""

PARTS = {
    "ingest": ("ingest", "on_null_sinks"),
    "emulators": ("ingest", "on_emulators"),
    "steady": ("ingest", "steady"),
    "imports": ("start", "imports"),
    "decisions": ("decisions", "decisions"),
    "pace": ("pace", "pace"),
    "streams": ("streams", "streams"),
    "cooling": ("cooling", "cooling"),
    "scoring": ("scoring", "scoring"),
}
"""Module and function of each. Imported when run: all of them together take seconds, mostly Google's clients."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures little")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--servers", nargs="+", choices=INGEST, default=list(INGEST), help="of the part `ingest`")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 10, 50], help="events a request, likewise")
    parser.add_argument("--tree", type=Path, default=ROOT, help="a clone whose functions are measured (default: this)")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lines: list[Line] = []
    disturbed: dict[str, float] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="gondola-bench-") as folder:
            # The bench itself, too, leaves the server's core alone.
            on = Cores.of_machine()
            pin([os.getpid()], on.load)
            effort = Effort.quick() if given.quick else Effort(given.rounds)
            for part in given.only:
                setting = Setting(
                    effort,
                    on,
                    Path(folder) / part,
                    given.tree.resolve(),
                    _say,
                    given.servers,
                    given.batches,
                )
                _say(f"{part} …")
                neighbours = Neighbours(on)
                module, function = PARTS[part]
                run: Callable[[Setting], Outcome] = getattr(import_module(f"tests.bench.{module}"), function)
                outcome = run(setting)
                disturbed[part] = round(neighbours.share(), 3)
                _keep(part, outcome, given.quick, disturbed[part])
                lines += outcome.lines
    except (ProcessFailed, NotInstalled, CannotBuild, InvalidLock, TooFewCores, WrongRun) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps([_plain(line) for line in lines], indent=1) if given.json else text(lines))
    worst = max(disturbed.values())
    if worst > QUIET:
        _say(f"Others used up to {worst:.0%} of these cores: costs are near the truth, throughput and waits are not.")
    return 0


def _keep(part: str, outcome: Outcome, quick: bool, neighbours: float) -> None:
    RESULTS.mkdir(exist_ok=True)
    held = {
        "part": part,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "neighbours": neighbours,
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()},
        "lines": [_plain(line) for line in outcome.lines],
        "figures": [asdict(figure) for figure in outcome.figures],
    }
    (RESULTS / f"{part}.json").write_text(json.dumps(held, indent=1) + "\n")


def _plain(line: Line) -> dict[str, Any]:
    return {**asdict(line), "reached": line.reached}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
