"""Files of recorded sessions and of parameters, as `explain` and `simulate` read them: a JSON object a line.

Sessions: the lines that `events` keeps and dispatches (`layers.events.record`), in any order, also with `.gz`.
Parameters: `{"shopper": "<pseudonym>", "parameters": {…}}`. Does not own what is made of them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec

from layers.events.record import CorruptRecord, Record, decode_record
from layers.tree.parameters import InvalidParameters, ShopperParameters, decode_parameters


class UnreadableFile(ValueError):
    """The message names the file and its line, never a line's content."""


class _Whose(msgspec.Struct):
    shopper: str


class _OfShopper(msgspec.Struct):
    shopper: str
    parameters: msgspec.Raw


_whose = msgspec.json.Decoder(_Whose)
_of_shopper = msgspec.json.Decoder(_OfShopper)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Raises OSError; gzip's own errors are some."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def sessions_of(path: Path) -> dict[str, list[bytes]]:
    """The lines of each shopper, undecoded: that takes the memory of the unpacked file, and little more.

    Raises:
        UnreadableFile, OSError.
    """
    found: dict[str, list[bytes]] = {}
    try:
        for number, line in _lines(path):
            try:
                found.setdefault(_whose.decode(line).shopper, []).append(line)
            except msgspec.MsgspecError:
                raise UnreadableFile(f"{path}:{number}: is no record; see layers/tree/README.md, simulate") from None
    except EOFError:
        raise UnreadableFile(f"{path}: ends in the middle; write it anew") from None
    return found


def records_of(lines: list[bytes], path: Path) -> list[Record]:
    """Raises:
    UnreadableFile: a line is no record of the event model.
    """
    try:
        return [decode_record(line) for line in lines]
    except CorruptRecord as error:
        raise UnreadableFile(f"{path}: an event cannot be read: {error}") from None


def parameters_of(path: Path | None) -> dict[str, ShopperParameters]:
    """Of each shopper; none without a file. A file with nothing but one shopper's parameters stands under ``""``.

    Raises:
        UnreadableFile, OSError.
    """
    if path is None:
        return {}
    found: dict[str, ShopperParameters] = {}
    try:
        return {"": decode_parameters(path.read_bytes())}
    except InvalidParameters:
        pass  # Then it has lines.
    for number, line in _lines(path):
        try:
            read = _of_shopper.decode(line)
            found[read.shopper] = decode_parameters(bytes(read.parameters))
        except (msgspec.MsgspecError, InvalidParameters) as error:
            raise UnreadableFile(f"{path}:{number}: no parameters of a shopper: {type(error).__name__}") from None
    return found
