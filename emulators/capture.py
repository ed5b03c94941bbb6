"""Asks the Pulumi program for its graph, in a process of its own: nothing of infra is imported here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""


class CaptureFailed(RuntimeError):
    """The program could not be captured. The message is what it said."""


def capture(stack: str, out: Path) -> None:
    """Runs `python -m infra.capture`, which also builds the functions' archives.

    Raises:
        CaptureFailed: it failed; the last graph, if any, is left as it was.
    """
    command = [sys.executable, "-m", "infra.capture", "--stack", stack, "--out", str(out.resolve())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise CaptureFailed(
            f"the graph of stack {stack!r} cannot be captured, so nothing is applied:\n" + "\n".join(said[-20:])
        )
