"""Archives: same content, same bytes; nothing but what is imported; a fault is found at home."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import archives, imports

ROOT = Path(__file__).resolve().parents[2]


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of one function and a few layers, of which it uses some."""
    return _write(
        tmp_path,
        {
            "functions/__init__.py": "",
            "functions/greet/__init__.py": "",
            "functions/greet/function.py": "",
            "functions/greet/handler.py": "from functions.greet.rules import say\nasync def greet(_): return say()\n",
            "functions/greet/rules.py": "def say():\n    from layers.words.polite import hello\n    return hello()\n",
            "functions/greet/words.sql": "SELECT 1",
            "functions/greet/README.md": "# greet",
            "functions/greet/requirements.txt": "leaf\n",
            "functions/greet/tests/test_x.py": "",
            "layers/__init__.py": "",
            "layers/words/__init__.py": "",
            "layers/words/polite.py": "from .kind import word\nfrom layers import tone\nhello = word\n",
            "layers/words/kind.py": (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from layers.heavy import Thing\n"
                "else:\n    import layers.light\ndef word(): ...\n"
            ),
            "layers/words/lexicon.yaml": "hello: 1",
            "layers/words/rude.py": "",
            "layers/words/requirements.txt": "spell\n",
            "layers/tone/__init__.py": "",
            "layers/light/__init__.py": "",
            "layers/heavy/__init__.py": "",
            "layers/heavy/requirements.txt": "torch\n",
            "layers/shell/requirements.txt": "serve\n",
            "requirements.txt": (
                "deep==4.0 \\\n    --hash=sha256:0\n    # via\n    #   spell\n    #   torch\n"
                "leaf==1.0 \\\n    --hash=sha256:0\n    # via -r functions/greet/requirements.txt\n"
                "serve[fast]==2.0 \\\n    --hash=sha256:0\n    # via -r layers/shell/requirements.txt\n"
                "spell==3.0 \\\n    --hash=sha256:0\n    # via -r layers/words/requirements.txt\n"
                "torch==9.0 \\\n    --hash=sha256:0\n    # via -r layers/heavy/requirements.txt\n"
            ),
        },
    )


def test_holds_what_it_imports_and_nothing_else(small: Path) -> None:
    assert set(archives.contents(small, "greet")) == {
        "functions/__init__.py",
        "functions/greet/__init__.py",
        "functions/greet/function.py",
        "functions/greet/handler.py",
        "functions/greet/rules.py",
        "functions/greet/words.sql",
        "layers/__init__.py",
        "layers/light/__init__.py",
        "layers/tone/__init__.py",
        "layers/words/__init__.py",
        "layers/words/kind.py",
        "layers/words/lexicon.yaml",
        "layers/words/polite.py",
        "main.py",
        "requirements.txt",
    }


def test_requirements_are_those_of_its_layers_and_theirs(small: Path) -> None:
    text = archives.contents(small, "greet")["requirements.txt"].decode()
    assert text == "deep==4.0\nleaf==1.0\nserve==2.0\nspell==3.0\n"


def test_main_names_the_target(small: Path) -> None:
    assert b"from functions.greet.handler import greet\n" in archives.contents(small, "greet")["main.py"]


def test_building_twice_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    first = archives.build(small, "greet")
    bytes_of_first = first.path.read_bytes()
    first.path.unlink()
    for path in small.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o755)
    second = archives.build(small, "greet")
    assert second == first
    assert second.path.read_bytes() == bytes_of_first
    assert first.digest in first.name


def test_nothing_of_the_machine_or_the_moment_is_in_an_archive(small: Path) -> None:
    with zipfile.ZipFile(archives.build(small, "greet").path) as archive:
        entries = archive.infolist()
    assert [e.filename for e in entries] == sorted(e.filename for e in entries)
    assert {(e.date_time, e.external_attr, e.create_system) for e in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644 << 16, 3)
    }


@pytest.mark.parametrize(
    "unrelated", ["layers/words/rude.py", "layers/heavy/__init__.py", "functions/greet/README.md", "notes.txt"]
)
def test_an_unrelated_change_changes_nothing(small: Path, unrelated: str) -> None:
    before = archives.build(small, "greet")
    (small / unrelated).write_text("changed = True\n")
    assert archives.build(small, "greet") == before


@pytest.mark.parametrize(
    "related", ["layers/tone/__init__.py", "layers/words/lexicon.yaml", "functions/greet/words.sql"]
)
def test_a_change_of_content_is_a_change_of_name(small: Path, related: str) -> None:
    before = archives.build(small, "greet")
    (small / related).write_text("changed = True\n")
    assert archives.build(small, "greet").name != before.name


def test_a_missing_handler_is_said(small: Path) -> None:
    (small / "functions/greet/handler.py").unlink()
    with pytest.raises(archives.CannotBuild, match=r"functions/greet/handler\.py does not exist.*write it with"):
        archives.build(small, "greet")


def test_a_missing_module_is_found_at_home(small: Path) -> None:
    (small / "functions/greet/rules.py").write_text("from layers.words.unwritten import x\n")
    with pytest.raises(imports.InvalidImport, match=r"functions/greet/rules\.py imports layers\.words\.unwritten"):
        archives.build(small, "greet")


@pytest.mark.parametrize("wrong", ["import functions.other.rules", "from infra import capture", "import tests.x"])
def test_an_import_of_what_is_no_layer_is_refused(small: Path, wrong: str) -> None:
    _write(small, {"functions/other/rules.py": "", "functions/other/__init__.py": ""})
    (small / "functions/greet/rules.py").write_text(f"{wrong}\n")
    with pytest.raises(imports.InvalidImport, match="not part of its archive"):
        archives.build(small, "greet")


def test_a_requirement_that_is_not_locked_is_refused(small: Path) -> None:
    (small / "layers/words/requirements.txt").write_text("spell\nunlocked>=2\n")
    with pytest.raises(ValueError, match=r"layers/words/requirements\.txt asks for unlocked.*lock again"):
        archives.build(small, "greet")


@pytest.mark.parametrize("function", sorted(path.parent.name for path in ROOT.glob("functions/*/function.py")))
def test_every_real_archive_starts_from_its_own_files(function: str, tmp_path: Path) -> None:
    """Imported as functions-framework does, with nothing else of the repository in reach."""
    with zipfile.ZipFile(archives.build(ROOT, function).path) as archive:
        archive.extractall(tmp_path)
    start = (
        f"import asyncio, sys, main; assert asyncio.iscoroutinefunction(main.{function}); "
        "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in ('functions', 'layers')), sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-B", "-c", start], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert all(Path(file).is_relative_to(tmp_path) for file in run.stdout.split())
    held = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert not {name for name in held if name.startswith(("tests/", "infra/", "emulators/"))}
    assert {name.split("/")[1] for name in held if name.startswith("functions/")} == {"__init__.py", function}


def test_no_real_archive_changes_with_the_infrastructure(clone: Callable[[], Path]) -> None:
    root = clone()
    before = archives.build(root, "ingest")
    (root / "infra" / "program.py").write_text("# changed\n")
    (root / "functions" / "scoring" / "function.py").write_text("# changed\n")
    assert archives.build(root, "ingest") == before
