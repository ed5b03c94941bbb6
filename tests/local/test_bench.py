"""The bench as a command: it measures what it is asked, and leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.cores import tree
from tests.local.shop_visit import eventually

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.bench", "--quick", "--only", "ingest", "--batches", "10", "--json"]

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the server needs a core of its own")


def _running(pids: list[int]) -> list[int]:
    """Those of them that still run; one that nobody has waited for yet does not."""
    left = []
    for pid in pids:
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
            left.append(pid)
    return left


def test_it_measures_ours_beside_the_floor_and_every_event_arrives() -> None:
    done = subprocess.run(
        [*COMMAND, "--servers", "ours", "floor"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = {line["measure"]: line["figure"] for line in json.loads(done.stdout)}
    assert figures["CPU: ours"] > figures["CPU: floor"] > 0
    assert figures["seen on one core"] > 0


def test_killed_it_takes_all_its_processes_with_it(tmp_path: Path) -> None:
    # Killed, it cannot take away its folder of logs.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*COMMAND, "--servers", "ours"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as bench:
        # The bench, the sinks, the function's master and worker, and the load.
        seen = eventually("five processes", lambda: tree(bench.pid), lambda pids: len(pids) >= 5)
        bench.send_signal(signal.SIGKILL)
    eventually("processes left", lambda: _running(seen), lambda left: not left)
