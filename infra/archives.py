"""One zip a function: what Cloud Run builds from, and what the laptop runs.

An archive holds the function's package, exactly the modules of `layers` that it imports, a generated `main.py` and
the pinned requirements of those layers. Same content, same bytes, same name: an unrelated change deploys nothing.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from infra import imports, lock

FOLDER = ".local/archives"
"""Where built archives lie, relative to the repository."""

_DATA = {".sql", ".yaml", ".yml", ".json"}
_LEFT_OUT = {"tests", "__pycache__"}
_SHELL = "layers/shell/requirements.txt"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class CannotBuild(ValueError):
    """An archive that would not start. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A built archive: `path` on this machine, `name` of its object, which holds the content's digest."""

    function: str
    digest: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.function}/{self.digest}.zip"

    @property
    def tag(self) -> str:
        """Of the image built from it."""
        return self.digest[:16]


_MAIN = '''"""Generated: where functions-framework finds its target."""

from functions.{name}.handler import {name}

__all__ = ["{name}"]
'''


def _data(folder: Path) -> list[Path]:
    """Data files beside a package's modules."""
    return [path for path in folder.iterdir() if path.suffix in _DATA and path.is_file()]


def contents(root: Path, function: str) -> dict[str, bytes]:
    """An archive's files by path.

    Raises:
        CannotBuild: there is no handler, or it does not define the function.
        imports.InvalidImport, lock.InvalidLock: see there.
    """
    package = root / "functions" / function
    handler = package / "handler.py"
    if not handler.is_file():
        raise CannotBuild(
            f"functions/{function}/handler.py does not exist, so {function} has nothing to run and cannot be deployed; "
            f"write it with `async def {function}(request)`, or remove the folder."
        )
    own = [
        path
        for path in package.rglob("*")
        if path.is_file()
        and (path.suffix == ".py" or path.suffix in _DATA)
        and not _LEFT_OUT & set(path.relative_to(package).parts)
    ]
    # Everything of the function's own package goes in, so that a module it loads lazily is never missing.
    files = {*own, *imports.reached(root, [path for path in own if path.suffix == ".py"])}
    for folder in {path.parent for path in files if path.is_relative_to(root / "layers") and path.suffix == ".py"}:
        files |= set(_data(folder))
    held = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    known = [path.relative_to(root).as_posix() for path in root.glob("layers/**/requirements.txt")]
    mine = package / "requirements.txt"
    asked = {*lock.sources(held, known), _SHELL} | ({mine.relative_to(root).as_posix()} if mine.is_file() else set())
    texts = {path: (root / path).read_text() for path in sorted(asked)}
    held["requirements.txt"] = lock.requirements(lock.read((root / "requirements.txt").read_text()), texts).encode()
    held["main.py"] = _MAIN.format(name=function).encode()
    return held


def pack(files: Mapping[str, bytes]) -> bytes:
    """The zip of these files: sorted, with fixed times and modes, so that equal content gives equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name], compresslevel=6)
    return buffer.getvalue()


def digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 of names and contents, not of the zip: another version of zlib must not deploy everything anew."""
    code = sha256()
    for name in sorted(files):
        code.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return code.hexdigest()


def build(root: Path, function: str) -> Archive:
    """Builds a function's archive under `FOLDER`; an archive that is already there is not written again.

    Raises:
        CannotBuild and the others of `contents`.
    """
    files = contents(root, function)
    code = digest(files)
    archive = Archive(function, code, root / FOLDER / f"{function}-{code[:16]}.zip")
    if not archive.path.is_file():
        archive.path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that whoever reads while we are killed finds a whole archive or none.
        partial = archive.path.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(pack(files))
        partial.rename(archive.path)
    return archive
