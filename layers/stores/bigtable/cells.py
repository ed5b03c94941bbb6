"""Puts a ReadRows stream back together. Pure: chunks in, rows out.

Source of the rules: google/bigtable/v2/bigtable.proto, ReadRowsResponse.CellChunk: a row's key, a cell's family and
qualifier stand only where they change; a long value comes in pieces; `reset_row` throws away what came of the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Cell:
    """`at_ms` is the cell's timestamp in whole milliseconds."""

    family: str
    qualifier: bytes
    at_ms: int
    value: bytes


@dataclass(slots=True)
class RowAssembler:
    """Feed it each response's chunks; it yields (row key, cells) of every row that is complete."""

    _key: bytes = b""
    _family: str = ""
    _qualifier: bytes = b""
    _at_ms: int = 0
    _pieces: list[bytes] = field(default_factory=list)
    _cells: list[Cell] = field(default_factory=list)

    def feed(self, chunks: Iterable[Any]) -> Iterator[tuple[bytes, list[Cell]]]:
        for chunk in chunks:
            if chunk.reset_row:
                self._cells, self._pieces = [], []
                continue
            if chunk.row_key:
                self._key = chunk.row_key
            if chunk.HasField("family_name"):
                self._family = chunk.family_name.value
            if chunk.HasField("qualifier"):
                self._qualifier = chunk.qualifier.value
            if not self._pieces:
                self._at_ms = chunk.timestamp_micros // 1000
            self._pieces.append(chunk.value)
            if chunk.value_size > 0:
                continue
            self._cells.append(Cell(self._family, self._qualifier, self._at_ms, b"".join(self._pieces)))
            self._pieces = []
            if chunk.commit_row:
                yield self._key, self._cells
                self._cells = []
