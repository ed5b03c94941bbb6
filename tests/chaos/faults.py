"""What the proxy can do to a call, as data, and how an answer of MutateRows is bent. Pure.

Owns the vocabulary. Does not own when a fault is laid (the scenarios) nor how a call is carried (`proxy`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from google.cloud.bigtable_v2.types import bigtable

MutateRowsRequest: Any = bigtable.MutateRowsRequest.pb()
MutateRowsResponse: Any = bigtable.MutateRowsResponse.pb()

CODES = {"DEADLINE_EXCEEDED": 4, "RESOURCE_EXHAUSTED": 8, "INTERNAL": 13, "UNAVAILABLE": 14}
"""gRPC's numbers, as they stand in the status of one row."""


class _Fault(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Attributes:
    method: the last part of the call's name; empty for every call.
    share: of the calls, how many are struck; which ones, the proxy's seed says.
    times: after so many calls it is spent; 0 for never.
    """

    method: str = ""
    share: float = 1.0
    times: int = 0


class Refused(_Fault, frozen=True):
    """The store never sees the call; the caller gets `status` at once."""

    status: str = "UNAVAILABLE"


class AnswerLost(_Fault, frozen=True):
    """The store does what is asked; its answer is dropped, and the caller gets `status`."""

    status: str = "UNAVAILABLE"


class Silent(_Fault, frozen=True):
    """The store never sees the call, and nobody answers before the caller's own deadline."""


class Late(_Fault, frozen=True):
    """Each message of the call reaches the store `ms` after it was sent: what is not awaited is not yet done."""

    ms: int = 100


class AnswersLate(_Fault, frozen=True):
    """The store does what is asked at once, and each answer comes `ms` later: done, and nobody knows yet."""

    ms: int = 100


class RowsRefused(_Fault, frozen=True):
    """Of a MutateRows, the rows whose key holds `marker` are refused with `status`; the others are written."""

    marker: str
    status: str = "RESOURCE_EXHAUSTED"


class Split(_Fault, frozen=True):
    """All rows are written; the answer comes in messages of `entries` rows each, last row first, `pause_ms` apart."""

    entries: int = 1
    pause_ms: int = 0


class BrokenOff(_Fault, frozen=True):
    """All rows are written; the answer names the first `entries` of them and then ends with `status`."""

    entries: int = 1
    status: str = "UNAVAILABLE"


Fault = Refused | AnswerLost | Silent | Late | AnswersLate | RowsRefused | Split | BrokenOff


class Chooser:
    """Which fault, if any, strikes a call.

    Args:
        faults: the first that fits is the one. seed: of the draw for shares.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 0) -> None:
        self._left: list[tuple[Fault, int]] = [(fault, fault.times or -1) for fault in faults]
        self._chance = random.Random(seed)

    def strike(self, method: str) -> Fault | None:
        for place, (fault, left) in enumerate(self._left):
            fits = fault.method in ("", method)
            if fits and left and self._chance.random() < fault.share:
                self._left[place] = (fault, left - 1)
                return fault
        return None


def part(request: bytes, marker: str) -> tuple[bytes | None, list[int], list[int]]:
    """A MutateRows request parted by its row keys.

    Returns:
        The request for the rows without the marker (None where there are none), their places, and the places of those
        with it.
    """
    asked = MutateRowsRequest.FromString(request)
    marked = marker.encode()
    refused = [place for place, entry in enumerate(asked.entries) if marked in entry.row_key]
    kept = [place for place, entry in enumerate(asked.entries) if marked not in entry.row_key]
    if not kept:
        return None, kept, refused
    left = MutateRowsRequest(
        table_name=asked.table_name,
        app_profile_id=asked.app_profile_id,
        entries=[asked.entries[place] for place in kept],
    )
    return left.SerializeToString(), kept, refused


def joined(answers: Sequence[bytes], kept: Sequence[int], refused: Sequence[int], status: str) -> bytes:
    """The store's answers for the rows at `kept`, with their places in the whole request, and those at `refused`."""
    whole = MutateRowsResponse()
    for index, code in rows_of(answers):
        whole.entries.add(index=kept[index]).status.code = code
    for place in refused:
        whole.entries.add(index=place).status.code = CODES[status]
    return bytes(whole.SerializeToString())


def rows_of(answers: Sequence[bytes]) -> list[tuple[int, int]]:
    """(place, status) of each row that the answers name."""
    return [
        (entry.index, entry.status.code)
        for answer in answers
        for entry in MutateRowsResponse.FromString(answer).entries
    ]


def pieces(rows: Sequence[tuple[int, int]], entries: int) -> Iterator[bytes]:
    """Answers that name so many rows each, in this order."""
    for start in range(0, len(rows), entries):
        answer = MutateRowsResponse()
        for index, code in rows[start : start + entries]:
            answer.entries.add(index=index).status.code = code
        yield bytes(answer.SerializeToString())
