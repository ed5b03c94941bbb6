"""`python -m tests.fuzz`: the long form of these tests, and the patience of slow senders."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.fuzz.effort import LONG_FORM

PARTS = {
    "readers": "every reader of bytes, under Hypothesis and a guided fuzzer",
    "both_doors": "the same random bytes to both doors",
    "http_cases": "HTTP as it should not be, slow senders too",
    "described": "schemathesis against the published document",
    "memory": "nonsense a hundred times over, and no growth",
    "document": "the document itself",
}


def main(arguments: list[str]) -> None:
    told = "\n".join(f"  {name:<12} {what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Bad input by the thousand, in its long form: about a quarter of an hour on two quiet cores.",
        epilog=f"parts:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="of the tests; default: all")
    parser.add_argument("--short", action="store_true", help="the form that `make test` runs")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    here = Path(__file__).parent
    files = [str(here / f"test_{part}.py") for part in options.parts or PARTS]
    # The tests learn it when they are imported, and this module has imported some of it already.
    environment = {**os.environ, LONG_FORM: "" if options.short else "long"}
    os.execve(sys.executable, [sys.executable, "-m", "pytest", "-x", "--durations=10", *files], environment)


if __name__ == "__main__":
    main(sys.argv[1:])
