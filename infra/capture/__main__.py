"""`python -m infra.capture`: writes a stack's graph."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from infra.capture import capture, render
from infra.capture.graph import Graph

_ROOT = Path(__file__).resolve().parents[2]


def write(out: Path, graph: Graph) -> None:
    """Renamed into place: whoever reads meanwhile finds the old graph or the new one, never half."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial")
    partial.write_text(render(graph))
    partial.rename(out)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.capture",
        description="Runs the Pulumi program with mocks, in this process, and writes every resource it asks for as "
        "sorted JSON. Needs no cloud, no credentials and not Pulumi's command line. Builds the functions' archives.",
    )
    parser.add_argument("--stack", default="dev", help="which Pulumi.<stack>.yaml to read (default: dev)")
    parser.add_argument("--out", type=Path, default=Path(".local/graph.json"), help="where to write the graph")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        graph = capture(_ROOT, chosen.stack)
    except ValueError as error:
        print(f"capture: {error}", file=sys.stderr)
        return 1
    write(chosen.out, graph)
    print(f"{len(graph['resources'])} resources of stack {chosen.stack} in {chosen.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
