"""The document and the running door agree: schemathesis asks what the document allows, and what it does not.

It runs as a process of its own, by its command line: the door is a running server, and its own reports say how to
repeat what failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from functions.ingest.function import DOCUMENT_PATH
from tests.fuzz import described
from tests.fuzz.door import ROOT, Door
from tests.fuzz.effort import LONG, effort

pytestmark = pytest.mark.emulators

ALL, FEW = "examples,coverage,fuzzing", "examples,coverage,fuzzing" if LONG else "examples,fuzzing"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def begun(sender: str, address: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", address]
    always = ["--checks", "all", "--no-color", "--suppress-health-check", "all", "--continue-on-failure"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": described.__name__,
        described.SENDER: sender,
    }
    folder.mkdir()
    return subprocess.Popen(
        [*command, *always, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.timeout(3600)
def test_the_door_does_as_its_document_says(express_door: Door, tmp_path: Path) -> None:
    address = f"{express_door.address}{DOCUMENT_PATH}"
    stored = len(express_door.stored())
    runs = [
        begun("tracker", address, tmp_path / "tracker", "--phases", ALL, "--max-examples", str(effort(10, 1000))),
        begun("server", address, tmp_path / "server", "--phases", FEW, "--max-examples", str(effort(10, 1000))),
    ]
    try:
        said = [run.communicate()[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    for run, text in zip(runs, said, strict=True):
        assert run.returncode == 0, text
        cases = re.search(r"(\d+) generated", text)
        assert cases, text
        assert int(cases[1]) >= effort(15, 3000)
    assert len(express_door.stored()) > stored, "nothing that was sent was ever taken"
    assert "Traceback" not in express_door.log()
