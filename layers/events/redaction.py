"""What of a dispatched message stays when some shoppers are erased. Pure.

A message holds many shoppers' lines, and none can be deleted from it: it is made anew without them. Reads both forms of
lines (`layers.events.record`, `layers.tree.decision`) by the two things that they share: whose they are, and of when.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec

from layers.events.refusal import UNREADABLE
from layers.privacy.suppression import ErasedAt

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_PSEUDONYM = re.compile(rb"(?=(\d{2}[0-9a-f]{32}))")
"""Overlapping ones too: in a line that nobody can read, where one begins is not known."""


class _Event(msgspec.Struct):
    at: _Moment


class _Line(msgspec.Struct):
    """A record's time is its event's, a decision's its own."""

    shopper: str
    event: _Event | None = None
    at: _Moment | None = None


_decoder = msgspec.json.Decoder(_Line)


def without(data: bytes, erased_at: ErasedAt) -> tuple[bytes, int]:
    """The lines that stay, byte for byte, and how many go.

    A line of which nobody can say when it was, or whose, goes when it names an erased shopper anywhere: nobody could
    show that it is from after.
    """
    lines = [line for line in data.split(b"\n") if line.strip()]
    stay = [line for line in lines if not _goes(line, erased_at)]
    return b"\n".join(stay), len(lines) - len(stay)


def _goes(line: bytes, erased_at: ErasedAt) -> bool:
    try:
        read = _decoder.decode(line)
    except UNREADABLE:
        return any(erased_at(each.decode()) is not None for each in set(_PSEUDONYM.findall(line)))
    erased = erased_at(read.shopper)
    if erased is None:
        return False
    at = read.event.at if read.event is not None else read.at
    return at is None or at <= erased
