"""Counts what a protobuf request holds by walking its top-level fields, without decoding it. Pure.

The sinks share a core with the load: decoding every row only to count it would cost them more than all else they do.
Sources: google/bigtable/v2/bigtable.proto (MutateRowsRequest: table_name = 1, entries = 2) and google/pubsub/v1/
pubsub.proto (PublishRequest: messages = 2; PubsubMessage: data = 1).
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """Not a protobuf message."""


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data):
            raise Malformed
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def spans(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """(number, start, end) of each top-level field that has a length.

    Raises:
        Malformed: in the middle, too.
    """
    place, end = start, len(data) if end is None else end
    while place < end:
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _BYTES:
            length, place = _varint(data, place)
            if place + length > end:
                raise Malformed
            yield tag >> 3, place, place + length
            place += length
        elif kind == _VARINT:
            _, place = _varint(data, place)
        elif kind == _FIXED64:
            place += 8
        elif kind == _FIXED32:
            place += 4
        else:
            raise Malformed


def rows_of(request: bytes) -> tuple[str, int]:
    """The table and the number of rows of a MutateRowsRequest."""
    table, rows = "", 0
    for number, start, end in spans(request):
        if number == 2:
            rows += 1
        elif number == 1:
            table = request[start:end].decode()
    return table, rows


def published_in(request: bytes) -> tuple[int, int]:
    """Messages of a PublishRequest, and the records in them: one a line."""
    messages = records = 0
    for number, start, end in spans(request):
        if number != 2:
            continue
        messages += 1
        for inner, first, last in spans(request, start, end):
            if inner == 1 and last > first:
                records += request.count(b"\n", first, last) + 1
    return messages, records
