"""What of a message stays: every line of everybody else, byte for byte, and none of the erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.events.model import PageViewed
from layers.events.record import encode_record
from layers.events.redaction import without

SINCE = datetime(2026, 11, 22, 12, 0, 0, 500_999, tzinfo=UTC)
GONE, STAYS = "01" + "a" * 32, "01" + "b" * 32
TICK = timedelta(microseconds=1)


def erased_at(shopper: str) -> datetime | None:
    return SINCE if shopper == GONE else None


def record(shopper: str, at: datetime) -> bytes:
    return encode_record(shopper, "s", "web", at, msgspec.json.encode(PageViewed(id="event-0001", at=at, page="/")))


def decision(shopper: str, at: datetime) -> bytes:
    return msgspec.json.encode({"event_id": "event-0001", "shopper": shopper, "at": at, "reason": "[]"})


LINES = st.builds(
    lambda make, shopper, ahead: (make(shopper, SINCE + ahead), shopper == GONE and ahead <= timedelta(0)),
    st.sampled_from([record, decision]),
    st.sampled_from([GONE, STAYS]),
    st.timedeltas(timedelta(days=-400), timedelta(days=400)) | st.sampled_from([timedelta(0), TICK, -TICK]),
)


@given(st.lists(LINES, max_size=20))
def test_all_lines_of_the_erased_go_and_all_others_stay_as_they_were(lines: list[tuple[bytes, bool]]) -> None:
    rest, went = without(b"\n".join(line for line, _ in lines), erased_at)
    assert rest == b"\n".join(line for line, goes in lines if not goes)
    assert went == sum(goes for _, goes in lines)
    assert without(rest, erased_at) == (rest, 0)


@given(st.binary(max_size=300))
def test_what_is_no_record_is_never_an_error_and_stays_while_it_names_nobody(data: bytes) -> None:
    rest, went = without(data, erased_at)
    assert went == 0 and rest == b"\n".join(line for line in data.split(b"\n") if line.strip())


@pytest.mark.parametrize(
    "line",
    [
        b'{"shopper":"%s","cut off',
        b'{"shopper":"%s"}',
        b'{"shopper":"%s","at":"2030-01-01"}',
        b'{"shopper":"%s","event":{"id":"x"}}',
        b'{"shopper":7,"event":{"at":"2030-01-01T00:00:00Z","who":"%s"}}',
        b"\xff\x00 7%s",
        b"[" * 100_000 + b"%s",
    ],
)
def test_a_line_that_names_somebody_erased_and_no_moment_goes(line: bytes) -> None:
    assert without(line.replace(b"%s", GONE.encode()), erased_at) == (b"", 1)
    other = line.replace(b"%s", STAYS.encode())
    assert without(other, erased_at) == (other, 0)
