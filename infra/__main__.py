"""Where Pulumi starts. Puts the repository on the path instead of this folder, so that `layers` is found and no module
here can stand in the way of one of the standard library."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:] = [
    str(_ROOT),
    *(entry for entry in sys.path if Path(entry or ".").resolve() not in (_ROOT, _ROOT / "infra")),
]

from infra.program import provision  # noqa: E402

provision(_ROOT)
