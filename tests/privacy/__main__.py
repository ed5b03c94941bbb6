"""`python -m tests.privacy`: erasure under load, and every byte looked at afterwards."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.privacy.course import run
from tests.privacy.form import LONG, PARTS, SHORT


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.privacy",
        description="Erases 500 of 2 000 active shoppers while events arrive late, doubled and out of order, kills the "
        "erasing function before and after each of its deeds, then searches a raw dump of every emulator. Fails when a "
        "byte of the erased is left, a receipt is wrong, or anybody else lost an event.",
    )
    made.add_argument("--short", action="store_true", help="the form that `make test` runs")
    made.add_argument("--only", choices=sorted(PARTS), help="this half of the long form")
    made.add_argument("--seed", type=int, help="of everything drawn; default: a new one, which is printed")
    made.add_argument("--folder", type=Path, help="where the stack's logs are kept; default: a temporary folder")
    return made


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}; repeat with --seed {seed}", flush=True)
    # So that a stopped run stops what it has begun, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="gondola-privacy-") as temporary:
        form = SHORT if options.short else PARTS.get(options.only, LONG)
        try:
            report = run(options.folder or Path(temporary), seed, form, lambda line: print(line, flush=True))
        except KeyboardInterrupt:
            print("interrupted; what the run had started is stopped", file=sys.stderr)
            return 130
    print(f"\n{report.table()}\n\nseed {seed}")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
