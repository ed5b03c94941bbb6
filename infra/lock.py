"""The pinned requirements of one archive, out of the one lock `requirements.txt` and its `# via` comments.

Pure. Does not resolve anything: a package that the lock does not hold is an error, and the remedy is to lock again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s\\;]+)")


class InvalidLock(ValueError):
    """The lock does not say what an archive needs."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A locked package, and who asked for it: names of packages, and `-r <file>` for requirements files."""

    name: str
    version: str
    via: frozenset[str]


def _normal(name: str) -> str:
    """PEP 503's normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(text: str) -> dict[str, Pin]:
    """The lock's pins by name."""
    pins: dict[str, Pin] = {}
    name, version, via = "", "", set[str]()

    def close() -> None:
        if name:
            pins[name] = Pin(name, version, frozenset(via))

    for line in text.splitlines():
        if pin := _PIN.match(line):
            close()
            name, version, via = _normal(pin[1]), pin[2], set()
        elif line.startswith(("    # via ", "    #   ")):
            who = line.strip().removeprefix("#").strip().removeprefix("via").strip()
            via.add(who if who.startswith("-r ") else _normal(re.sub(r"\[.*\]", "", who)))
    close()
    return pins


def _direct(text: str) -> set[str]:
    """The packages that a requirements file names."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {_normal(re.split(r"[\[<>=!~;@ ]", line, maxsplit=1)[0]) for line in lines if line}


def closure(pins: Mapping[str, Pin], files: Mapping[str, str]) -> list[str]:
    """`name==version` of every package that the requirements files need, directly or not, sorted.

    Args:
        files: requirements files' paths and texts.

    Raises:
        InvalidLock: a file names a package that the lock does not hold, or holds without naming that file.
    """
    wanted: list[str] = []
    for path, text in files.items():
        for name in sorted(_direct(text)):
            if name not in pins or f"-r {path}" not in pins[name].via:
                raise InvalidLock(
                    f"{path} asks for {name}, which requirements.txt does not hold for it, so the archive would lack "
                    "it; lock again (`make lock`)."
                )
            wanted.append(name)
    needs: dict[str, list[str]] = {}
    for pin in pins.values():
        for parent in pin.via:
            needs.setdefault(parent, []).append(pin.name)
    found: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += needs.get(name, ())
    return [f"{name}=={pins[name].version}" for name in sorted(found)]


def requirements(pins: Mapping[str, Pin], files: Mapping[str, str]) -> str:
    """The text of an archive's `requirements.txt`."""
    return "".join(f"{line}\n" for line in closure(pins, files)) or "# none\n"


def sources(paths: Iterable[str], exists: Iterable[str]) -> list[str]:
    """The requirements files that belong to modules: that of each folder above them, up to the layer.

    Args:
        paths: of modules, relative to the repository. exists: all requirements files, likewise.
    """
    known = set(exists)
    found: set[str] = set()
    for path in paths:
        folders = path.split("/")[:-1]
        found |= {"/".join([*folders[:depth], "requirements.txt"]) for depth in range(2, len(folders) + 1)}
    return sorted(found & known)
