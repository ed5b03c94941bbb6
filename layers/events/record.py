"""An event as it is kept and dispatched: pseudonym, session, channel, arrival, and the event's own bytes.

The same line is the Bigtable cell (under its row key) and one line of a Pub/Sub message. Pub/Sub keeps no order,
so consumers make their own, by (`at` in ms, id).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from layers.events.envelope import RecordedChannel
from layers.events.model import Event
from layers.events.refusal import UNREADABLE, describe

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MS = 9_999_999_999_999
"""Thirteen digits of milliseconds: enough until the year 2286."""

KEY_SEPARATOR = "#"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    shopper: the pseudonym. received: when ingest took it.
    """

    shopper: str
    session: str
    channel: RecordedChannel
    received: datetime
    event: Event


class _Sender(msgspec.Struct, frozen=True):
    shopper: str
    session: str
    channel: str
    received: datetime


_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


class CorruptRecord(ValueError):
    """A stored or dispatched line that is no record. The message names its position, never its content."""


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down: Bigtable's finest cell timestamp. By integers: a float of
    seconds is exact to the millisecond until 2038 only.
    """
    return (moment - _EPOCH) // _MILLISECOND


def record_head(shopper: str, session: str, channel: str, received: datetime) -> bytes:
    """What the lines of one envelope begin with: `{…,"event":`. Written once for all its events."""
    return _encoder.encode(_Sender(shopper, session, channel, received.astimezone(UTC)))[:-1] + b',"event":'


def record_line(head: bytes, event_bytes: bytes) -> bytes:
    """One line of JSON, with the event's bytes as they came (newlines inside them become spaces)."""
    line = b"".join((head, event_bytes, b"}"))
    if b"\n" in line or b"\r" in line:
        # Outside strings JSON allows a raw newline, inside it does not: so a space means the same.
        return line.replace(b"\n", b" ").replace(b"\r", b" ")
    return line


def encode_record(shopper: str, session: str, channel: str, received: datetime, event_bytes: bytes) -> bytes:
    """The line of one event alone."""
    return record_line(record_head(shopper, session, channel, received), event_bytes)


class _Line(msgspec.Struct):
    session: str
    channel: str
    received: datetime
    event: msgspec.Raw


_lines = msgspec.json.Decoder(_Line)


def record_of(line: bytes, shopper: str) -> bytes:
    """The same record under another pseudonym, the event's bytes as they came.

    Raises:
        CorruptRecord: not a record.
    """
    try:
        read = _lines.decode(line)
    except UNREADABLE as error:
        raise CorruptRecord(describe(error)[0]) from None
    return encode_record(shopper, read.session, read.channel, read.received, bytes(read.event))


def decode_record(line: bytes) -> Record:
    """Raises:
    CorruptRecord: not a record.
    """
    try:
        return _decoder.decode(line)
    except UNREADABLE as error:
        raise CorruptRecord(describe(error)[0]) from None


def decode_lines(data: bytes) -> tuple[list[Record], list[tuple[int, str]]]:
    """Reads a message.

    Returns:
        The records, and (line number from 1, where in it) of each line that is none: a bad line beside good ones is
        quarantined, never a reason to refuse the message.
    """
    records: list[Record] = []
    corrupt: list[tuple[int, str]] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            try:
                records.append(decode_record(line))
            except CorruptRecord as error:
                corrupt.append((number, str(error)))
    return records, corrupt


def row_prefix(retailer: str, shopper: str) -> str:
    """Every event of a shopper starts with this."""
    return f"{retailer}{KEY_SEPARATOR}{shopper}{KEY_SEPARATOR}"


def row_key(retailer: str, shopper: str, at: datetime, event_id: str) -> bytes:
    """`retailer#pseudonym#<reversed ms>#<event id>`: a shopper's newest event comes first."""
    return row_key_at(row_prefix(retailer, shopper), milliseconds(at), event_id)


def row_key_at(prefix: str, at_ms: int, event_id: str) -> bytes:
    """The key below `row_prefix`."""
    return f"{prefix}{_LAST_MS - at_ms:013d}{KEY_SEPARATOR}{event_id}".encode()


def read_row_key(key: bytes) -> tuple[str, datetime]:
    """The pseudonym and the time that a key of `row_key` holds.

    Raises:
        CorruptRecord: not such a key.
    """
    parts = key.decode(errors="replace").split(KEY_SEPARATOR, 3)
    if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) == 13):
        raise CorruptRecord("row key")
    return parts[1], _EPOCH + (_LAST_MS - int(parts[2])) * _MILLISECOND
