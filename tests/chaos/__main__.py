"""`python -m tests.chaos`: the reliability suite in its long form."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.course import SCENARIOS, run_all, table
from tests.chaos.verdict import Report


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Breaks things under load on the emulators, and reconciles every event. Fails when one is lost, "
        "stored unlike it was sent, or counted twice.",
    )
    made.add_argument("--only", action="append", metavar="NAME", help="this scenario (again for more); default: all")
    made.add_argument("--seed", type=int, help="of everything drawn; default: a new one, which is printed")
    made.add_argument("--short", action="store_true", help="the form that `make test` runs")
    made.add_argument("--list", action="store_true", help="name the scenarios and what each proves, and stop")
    made.add_argument("--folder", type=Path, help="where the stack's logs are kept; default: a temporary folder")
    return made


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    names = options.only or [name for name, each in SCENARIOS.items() if each.short or not options.short]
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        print(f"error: there is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}.", file=sys.stderr)
        return 2
    if options.list:
        print("\n\n".join(f"{name}\n    " + SCENARIOS[name].proves.replace("\n", "\n    ") for name in names))
        return 0
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}; repeat with --seed {seed}", flush=True)
    # So that a stopped suite stops what it has begun, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    reports: list[Report] = []
    interrupted = False
    with tempfile.TemporaryDirectory(prefix="gondola-chaos-") as temporary:
        folder = options.folder or Path(temporary)
        try:
            for report in run_all(folder, names, seed, not options.short, lambda line: print(line, flush=True)):
                reports.append(report)
        except KeyboardInterrupt:
            interrupted = True
            print("interrupted; what the suite had started is stopped", file=sys.stderr)
    if reports:
        print(f"\n{table(reports)}\n\nseed {seed}")
    return 130 if interrupted else int(any(report.faults for report in reports))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
