"""Every Python example in a README runs as it stands: documentation that lies fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
READMES = sorted(path for folder in ("functions", "layers") for path in (ROOT / folder).rglob("README.md"))
EXAMPLES = [
    pytest.param(code, id=f"{path.relative_to(ROOT)}-{number}")
    for path in READMES
    for number, code in enumerate(_BLOCK.findall(path.read_text()))
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_runs(code: str) -> None:
    assert "assert " in code, "an example that claims nothing proves nothing"
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_every_function_has_one_example() -> None:
    for declaration in sorted((ROOT / "functions").glob("*/function.py")):
        readme = declaration.parent / "README.md"
        assert readme.exists(), f"{readme.relative_to(ROOT)} is missing: say what the function is for, with an example"
        assert len(_BLOCK.findall(readme.read_text())) == 1
