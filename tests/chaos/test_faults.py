"""What the proxy does to an answer of MutateRows, and which calls a fault strikes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.faults import (
    CODES,
    Chooser,
    MutateRowsRequest,
    MutateRowsResponse,
    Refused,
    RowsRefused,
    Silent,
    joined,
    part,
    pieces,
    rows_of,
)

KEYS = st.lists(st.sampled_from([b"demo#a#1#good-1", b"demo#a#1#bad-2"]), min_size=1, max_size=30)


def request_of(keys: list[bytes]) -> bytes:
    entries = [MutateRowsRequest.Entry(row_key=key) for key in keys]
    return bytes(MutateRowsRequest(table_name="t", app_profile_id="p", entries=entries).SerializeToString())


def answered(rows: int) -> bytes:
    """By a store that takes them all."""
    answer = MutateRowsResponse()
    for index in range(rows):
        answer.entries.add(index=index)
    return bytes(answer.SerializeToString())


@given(KEYS)
def test_exactly_the_marked_rows_are_refused_and_each_keeps_its_place(keys: list[bytes]) -> None:
    left, kept, refused = part(request_of(keys), "bad-")
    sent = [] if left is None else list(MutateRowsRequest.FromString(left).entries)
    assert [entry.row_key for entry in sent] == [key for key in keys if b"bad-" not in key]
    assert left is None or MutateRowsRequest.FromString(left).table_name == "t"
    whole = dict(rows_of([joined([answered(len(sent))] if sent else [], kept, refused, "UNAVAILABLE")]))
    assert whole == {place: CODES["UNAVAILABLE"] if b"bad-" in key else 0 for place, key in enumerate(keys)}


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 14)), max_size=40), st.integers(1, 7))
def test_an_answer_in_pieces_says_the_same(rows: list[tuple[int, int]], entries: int) -> None:
    found = list(pieces(rows, entries))
    assert rows_of(found) == rows
    assert all(0 < len(rows_of([piece])) <= entries for piece in found)


def test_a_fault_strikes_its_method_only_and_only_so_often() -> None:
    chooser = Chooser([Refused(method="Publish", times=2), Silent(method="MutateRows")])
    struck = [chooser.strike("Publish") for _ in range(4)]
    assert [type(fault) for fault in struck] == [Refused, Refused, type(None), type(None)]
    assert isinstance(chooser.strike("MutateRows"), Silent)
    assert chooser.strike("ReadRows") is None


@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_seed_says_which_calls_a_share_strikes(seed: int, share: float) -> None:
    chance, chooser = random.Random(seed), Chooser([RowsRefused(marker="bad-", share=share)], seed)
    found = [chooser.strike("MutateRows") is not None for _ in range(50)]
    assert found == [chance.random() < share for _ in range(50)]


@pytest.mark.parametrize("status", CODES)
def test_each_status_has_grpcs_number(status: str) -> None:
    import grpc

    assert grpc.StatusCode[status].value[0] == CODES[status]
