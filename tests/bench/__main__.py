"""`python -m tests.bench`: measures, prints one table, writes `tests/bench/results/<part>.json`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from emulators.processes import ProcessFailed
from tests.bench.cores import Cores, TooFewCores
from tests.bench.ingest import Effort, on_null_sinks
from tests.bench.judged import ingest_lines
from tests.bench.measured import WrongRun
from tests.bench.servers import ROOT, SUBJECTS_OF_INGEST
from tests.bench.table import text

RESULTS = Path(__file__).with_name("results")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=["ingest"], default=["ingest"])
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures little")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts (default 3)")
    parser.add_argument("--servers", nargs="+", choices=sorted(SUBJECTS_OF_INGEST), default=list(SUBJECTS_OF_INGEST))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 10, 50], help="events a request")
    parser.add_argument("--tree", type=Path, default=ROOT, help="a clone whose functions are measured (default: this)")
    given = parser.parse_args(arguments)
    effort = Effort(1, 0.5, 1.0) if given.quick else Effort(given.rounds)
    try:
        cores = Cores.of_machine()
        with tempfile.TemporaryDirectory(prefix="gondola-bench-") as folder:
            figures = on_null_sinks(
                given.servers, given.batches, effort, cores, Path(folder), given.tree.resolve(), _say
            )
    except (ProcessFailed, TooFewCores, WrongRun) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    print(text(ingest_lines(figures)))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
