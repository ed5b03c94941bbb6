"""`python -m infra.register`: prints or writes the register of processing and the data map."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.register.made import PAGE, STACK, made

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.register",
        description="The register of processing (GDPR article 30) and the data map of a stack, from the declarations.",
    )
    parser.add_argument("--stack", default=STACK, help=f"which Pulumi.<stack>.yaml to read (default: {STACK})")
    parser.add_argument("--write", type=Path, help=f"the file to write; {PAGE} is the one that a test holds current")
    chosen = parser.parse_args(arguments)
    try:
        text = made(_ROOT, chosen.stack)
    except ValueError as error:
        print(f"register: {error}", file=sys.stderr)
        return 1
    if chosen.write is None:
        print(text, end="")
    else:
        chosen.write.write_text(text)
        print(f"{chosen.write}: register of stack {chosen.stack}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
