"""START: what a new instance of ingest spends on imports before its first request.

Imported is exactly what its archive holds: the handler, and what its room loads lazily. The framework's own share,
which every function pays, is told apart. Each figure is CPU time, not the clock, and the best of several processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from functions.ingest.function import FUNCTION as DOOR
from tests.bench import judged
from tests.bench.servers import Place, archived
from tests.bench.setting import Outcome, Setting

FRAMEWORK = (
    *("functions_framework._cli", "functions_framework.aio", "functions_framework._http.gunicorn", "uvicorn_worker"),
    *("uvicorn.protocols.http.httptools_impl", "uvicorn.lifespan.on", "uvloop", "gunicorn.arbiter"),
)
"""What `functions-framework` has imported when it serves an asynchronous function without code."""

_PROGRAM = """
import importlib, json, sys, time
framework, own = json.load(sys.stdin)
before = time.process_time()
for name in framework: importlib.import_module(name)
between = time.process_time()
for name in own: importlib.import_module(name)
print(json.dumps([between - before, time.process_time() - between]))
"""


@dataclass(frozen=True, slots=True)
class Imports:
    """Seconds of CPU."""

    framework_s: float
    own_s: float


def modules(folder: Path) -> list[str]:
    """What an unpacked archive holds, as names to import; its main.py, which has the handler in it, first."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(found, key=lambda name: name != "main")


def imports(setting: Setting) -> Outcome:
    folder = archived(DOOR, Place({}, setting.cores.server, setting.folder, setting.tree))
    asked = json.dumps([FRAMEWORK, modules(folder)])
    figures = []
    # The first one writes the bytecode.
    for _ in range(1 + 3 * setting.effort.rounds):
        command = [sys.executable, "-c", _PROGRAM]
        done = subprocess.run(command, cwd=folder, input=asked, capture_output=True, text=True, check=True)
        figures.append(Imports(*json.loads(done.stdout)))
    return Outcome(
        judged.import_lines([f.framework_s for f in figures[1:]], [f.own_s for f in figures[1:]]), list(figures)
    )
