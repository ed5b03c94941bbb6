"""The express way is the ordinary way, only shorter: the same bytes get the same answers, and leave the same rows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layers.events.record import decode_record, row_key
from tests.fuzz.door import RETAILER, Door
from tests.fuzz.effort import effort
from tests.fuzz.streams import ODDITIES, Stream, alone, streams
from tests.fuzz.wire import Answer, exchange

pytestmark = pytest.mark.emulators

PAUSE_S = 0.001
REFUSALS = {400, 415, 431}


def told(answers: list[Answer]) -> list[tuple[int, dict[str, str], bytes]]:
    """All that an answer says, but the time."""
    named = [{name: value for name, value in answer.headers.items() if name != "date"} for answer in answers]
    return [(answer.status, headers, answer.body) for answer, headers in zip(answers, named, strict=True)]


def without_arrival(line: bytes) -> bytes:
    """A line but for when it was received."""
    before, _, after = line.partition(b'"received":"')
    return before + after.partition(b'"')[2]


def key_of(line: bytes) -> bytes:
    """The row that a published line must stand in."""
    record = decode_record(line)
    return row_key(RETAILER.id, record.shopper, record.event.at, record.event.id)


def rows(door: Door) -> set[tuple[bytes, bytes]]:
    return {(key, without_arrival(line)) for key, line in door.stored().items()}


def compare(stream: Stream, express_door: Door, ordinary_door: Door, pool: ThreadPoolExecutor) -> None:
    both = [pool.submit(exchange, door.port, stream.pieces, PAUSE_S) for door in (express_door, ordinary_door)]
    express, ordinary = (future.result() for future in both)
    assert all(answer.status < 500 for answer in express)
    for answers in (express, ordinary):
        # The broken request itself may be refused by its head, before the nonsense in its body is seen; as that may be
        # what is refused; or, where its end is missing, not be answered at all.
        while sum(answer.status != 100 for answer in answers) > stream.good:
            assert answers.pop().status in REFUSALS
    assert told(express) == told(ordinary)
    assert sum(answer.status != 100 for answer in express) == stream.good


def trying(drawn: st.SearchStrategy[Stream], examples: int, compared: Callable[[Stream], None]) -> None:
    """So many streams, however long they take."""
    said = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)

    @said
    @given(drawn)
    def test(stream: Stream) -> None:
        compared(stream)

    test()


@pytest.mark.timeout(3600)
def test_both_doors_say_and_keep_the_same(express_door: Door, ordinary_door: Door) -> None:
    before = rows(express_door), rows(ordinary_door)
    with ThreadPoolExecutor(2) as pool:
        compared = partial(compare, express_door=express_door, ordinary_door=ordinary_door, pool=pool)
        for oddity in ODDITIES:
            trying(alone(oddity), effort(1, 20), compared)
        trying(streams(), effort(100, 5000), compared)
    assert rows(express_door) - before[0] == rows(ordinary_door) - before[1]
    for door in (express_door, ordinary_door):
        log = door.log()
        assert "Traceback" not in log
        assert '"ERROR"' not in log


def test_what_is_stored_is_published_and_nothing_else(express_door: Door, ordinary_door: Door) -> None:
    """By everything that these doors were ever sent."""
    for door in (express_door, ordinary_door):
        assert exchange(door.port, [b"GET / HTTP/1.1\r\nHost: door\r\n\r\n"])
        assert {key_of(line) for line in door.published()} == set(door.stored())
