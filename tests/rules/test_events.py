"""What an event may be, and what is kept of it."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.events.envelope import MAX_EVENTS, InvalidBody, read_envelopes, read_event
from layers.events.model import EVENT_TYPES, OrderStatusUpdated, Status, type_name
from layers.events.record import (
    decode_lines,
    decode_record,
    encode_record,
    milliseconds,
    row_key,
    row_prefix,
)
from layers.events.scrub import scrub_text, scrub_url
from layers.events.vocabulary import GA4, GA4_STATUS, SEGMENT, SEGMENT_STATUS
from layers.retailers import Contract
from layers.tree.journey import in_order

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXAMPLES = json.loads((Path(__file__).parents[1] / "examples" / "events.json").read_text())

DEEP = b'{"shopper":"900","session":"s","channel":"web","events":[' + b"[" * 30_000
"""Fits into a body, and not onto the stack of a decoder that skips what it will decode later."""

SHOPPER = "01" + "ab" * 16
ids = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_-]{7,20}\Z")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def read(event: dict[str, Any]) -> Any:
    return read_event(json.dumps(event).encode(), NOW, Contract())


@pytest.mark.parametrize("event", EXAMPLES["valid"], ids=lambda e: str(e["type"]))
def test_every_valid_example_is_taken_and_read_back_as_it_came(event: dict[str, Any]) -> None:
    taken, kept = read(event)
    assert type_name(taken) == event["type"]
    line = encode_record(SHOPPER, "s1", "web", NOW, kept)
    assert decode_record(line).event == taken
    assert json.loads(kept) | {"at": event["at"]} == event


def test_there_is_an_example_and_both_vocabularies_for_every_type() -> None:
    names = {type_name(kind) for kind in EVENT_TYPES}
    assert names == {event["type"] for event in EXAMPLES["valid"]} == set(GA4) == set(SEGMENT)


def test_what_ends_an_order_is_named_in_both_vocabularies_and_no_name_stands_for_two_things() -> None:
    statuses = [OrderStatusUpdated(id="event-0001", at=NOW, order="1", status=each) for each in get_args(Status)]
    assert {each.status for each in statuses if each.is_end} == set(GA4_STATUS) == set(SEGMENT_STATUS)
    for names in ([*GA4.values(), *GA4_STATUS.values()], [*SEGMENT.values(), *SEGMENT_STATUS.values()]):
        told = [name for name in names if name is not None]
        assert len(set(told)) == len(told)


@pytest.mark.parametrize("case", EXAMPLES["refused"], ids=lambda c: str(c["why"]))
def test_every_refused_example_says_why_and_quotes_nothing(case: dict[str, Any]) -> None:
    path, reason = read(case["event"])
    assert path == case["path"], reason
    assert case["reason"] in reason
    for secret in case.get("never_said", []):
        assert secret not in path + reason


@pytest.mark.parametrize("case", EXAMPLES["scrubbed"], ids=lambda c: str(c["raw"]))
def test_free_text_is_scrubbed(case: dict[str, str]) -> None:
    assert (scrub_url if case["kind"] == "url" else scrub_text)(case["raw"]) == case["kept"]


def test_a_field_sent_twice_leaves_no_copy_behind() -> None:
    raw = b'{"type":"Searched","id":"event-0001","at":"2026-11-22T10:00:00Z","query":"jane@example.org","query":"milk"}'
    event, kept = read_event(raw, NOW, Contract())
    assert isinstance(kept, bytes)
    assert not isinstance(event, str)
    assert b"milk" in kept
    assert b"jane" not in kept


@pytest.mark.parametrize(
    "lines",
    [
        '"lines":[{"product":"jane doe","paid":1}],"lines":[{"product":"1","paid":1}]',
        '"lines":[{"product":"jane doe","paid":1,"product":"1"}]',
        '"lines":[{"pr\\u006fduct":"jane doe","paid":1,"product":"1"}]',
        '"l\\u0069nes":[{"product":"jane doe","paid":1}],"lines":[{"product":"1","paid":1}]',
        '"lines":[{"product":"jane doe","paid":1}],"l\\u0069nes":[{"product":"1","paid":1}]',
    ],
)
def test_a_product_sent_twice_leaves_no_copy_behind(lines: str) -> None:
    """Only the last is looked at."""
    raw = '{"type":"OrderPaid","id":"event-0001","at":"2026-11-22T10:00:00Z","order":"1","total":1,' + lines + "}"
    taken, kept = read_event(raw.encode(), NOW, Contract())
    assert isinstance(kept, bytes)
    assert b"jane" not in kept
    assert decode_record(encode_record(SHOPPER, "s1", "web", NOW, kept)).event == taken


@pytest.mark.parametrize(
    "kept",
    [
        '"kept":{"total":1,"lines":[{"product":"jane doe","paid":1}],"lines":[{"product":"1","paid":1}]}',
        '"kept":{"total":1,"lines":[{"product":"jane doe","paid":1}],"lines":[]}',
        '"kept":{"total":1,"lines":[{"product":"jane doe","paid":1,"product":"1"}]}',
        '"kept":{"total":1,"lines":[{"pr\\u006fduct":"jane doe","paid":1,"product":"1"}]}',
    ],
)
def test_a_kept_product_sent_twice_leaves_no_copy_behind(kept: str) -> None:
    head = (
        '{"type":"OrderStatusUpdated","id":"event-0001","at":"2026-11-22T10:00:00Z","order":"1","status":"delivered",'
    )
    taken, bytes_kept = read_event((head + kept + "}").encode(), NOW, Contract())
    assert isinstance(bytes_kept, bytes)
    assert b"jane" not in bytes_kept
    assert decode_record(encode_record(SHOPPER, "s1", "web", NOW, bytes_kept)).event == taken


def test_what_scrubbing_makes_longer_can_still_be_read() -> None:
    """`[email]` is longer than `a@b.c`: such an event was acknowledged, stored, and refused by every reader."""
    base = {"id": "event-0001", "at": "2026-11-22T10:00:00Z"}
    crowded = "a@b.c " * 80
    for event in (
        {**base, "type": "Searched", "query": crowded[:200]},
        {**base, "type": "PageViewed", "page": crowded, "category": crowded[:64]},
        {**base, "type": "LinkClicked", "page": crowded, "target": crowded},
    ):
        taken, kept = read(event)
        assert decode_record(encode_record(SHOPPER, "s1", "web", NOW, kept)).event == taken


def test_scrubbing_takes_time_in_proportion_to_the_text() -> None:
    """A page of `%40%40…` took 24 ms of CPU: a request full of such pages held every other sender for 3 s."""

    def cpu(text: str) -> float:
        def once() -> float:
            began = time.process_time()
            for _ in range(20):
                scrub_text(text)
            return time.process_time() - began

        return min(once() for _ in range(5))

    for hostile in ("%40", "@", "a@", "1 ", "1.", "a%40b."):
        assert cpu(hostile * 320) < 100 * cpu(hostile * 20), hostile


def test_each_class_of_event_has_its_own_contract() -> None:
    four_years_ago = "2022-11-25T10:00:00Z"
    consent = {"type": "ConsentChanged", "id": "event-0001", "at": four_years_ago, "purposes": {}}
    event, _ = read(consent)
    assert type_name(event) == "ConsentChanged", "proof of consent is kept longer than any order"
    path, reason = read(
        {"type": "OrderStatusUpdated", "id": "event-0001", "at": four_years_ago, "order": "1", "status": "delivered"}
    )
    assert (path, "1095 days" in reason) == ("$.at", True)


def test_a_tracker_sends_one_envelope_and_only_a_server_a_list() -> None:
    one = b'{"shopper":"900","session":"s","channel":"web","events":[{}]}'
    assert len(read_envelopes(one, server=False)) == 1
    assert len(read_envelopes(b"[" + one + b"," + one + b"]", server=True)) == 2
    with pytest.raises(InvalidBody, match="servers that sign"):
        read_envelopes(b"[" + one + b"]", server=False)


@pytest.mark.parametrize(
    "change",
    [
        {"channel": "jane"},
        {"channel": "officer"},
        {"x - at `$.jane": 1},
        {"x - at `$.0612345678": 1},
        {"x - at `$[0612345678]": 1},
        {"x` - at `$.jane": 1},
        {"jane": 1},
        {"shopper": "jane\n"},
        {"session": ""},
    ],
    ids=str,
)
def test_a_refused_envelope_quotes_nothing(change: dict[str, object]) -> None:
    body = {"shopper": "900", "session": "s", "channel": "web", "events": [{}], **change}
    with pytest.raises(InvalidBody) as refusal:
        read_envelopes(json.dumps(body).encode(), server=False)
    assert not re.search(r"jane|0612345678", str(refusal.value))


def test_too_many_events_are_refused_over_all_envelopes() -> None:
    one = {"shopper": "900", "session": "s", "channel": "web", "events": [{}] * (MAX_EVENTS // 2 + 1)}
    with pytest.raises(InvalidBody, match="more than"):
        read_envelopes(json.dumps([one, one]).encode(), server=True)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"7", b'"x"', b"\xff\xfe", b'{"shopper":"a@b.c"}', b"[]", DEEP])
def test_a_body_that_is_no_envelope_is_refused_without_being_quoted(body: bytes) -> None:
    with pytest.raises(InvalidBody) as refusal:
        read_envelopes(body, server=True)
    assert "a@b.c" not in str(refusal.value)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(body: bytes) -> None:
    try:
        envelopes = read_envelopes(body, server=True)
    except InvalidBody:
        return
    for envelope in envelopes:
        for raw in envelope.events:
            read_event(raw, NOW, Contract())


@given(moments, moments, ids, ids)
def test_a_later_event_has_a_smaller_key(first: datetime, second: datetime, one: str, two: str) -> None:
    keys = [row_key("demo", SHOPPER, at, id) for at, id in ((first, one), (second, two))]
    if milliseconds(first) != milliseconds(second):
        assert (keys[0] > keys[1]) == (first < second)
    assert all(key.startswith(row_prefix("demo", SHOPPER).encode()) for key in keys)


@given(st.lists(st.tuples(moments, ids), max_size=12), st.randoms())
def test_order_and_duplicates_on_the_way_change_nothing(facts: list[tuple[datetime, str]], random: Any) -> None:
    unique = {id: at for at, id in facts}
    lines = [
        encode_record(
            SHOPPER, "s", "web", NOW, msgspec.json.encode({"type": "PageViewed", "id": id, "at": at, "page": "/"})
        )
        for id, at in unique.items()
    ]
    shuffled = lines * 2
    random.shuffle(shuffled)
    there, _ = decode_lines(b"\n".join(lines))
    again, corrupt = decode_lines(b"\n".join(shuffled))
    assert in_order(there) == in_order(again)
    assert not corrupt


def test_a_corrupt_line_is_named_by_its_number_and_costs_nothing_beside_it() -> None:
    good = encode_record(SHOPPER, "s", "web", NOW, json.dumps(EXAMPLES["valid"][0]).encode())
    records, corrupt = decode_lines(b"\n".join([good, b'{"shopper":"jane@example.org"}', good, b"\xff", DEEP]))
    assert len(records) == 2
    assert [number for number, _ in corrupt] == [2, 4, 5]
    assert "jane" not in str(corrupt)


def test_a_line_break_in_an_event_does_not_break_the_line() -> None:
    spaced = json.dumps(EXAMPLES["valid"][0], indent=1).encode()
    line = encode_record(SHOPPER, "s", "web", NOW, spaced)
    assert b"\n" not in line
    assert decode_record(line).event.id == EXAMPLES["valid"][0]["id"]
