"""The bench itself: what it counts, what it sends, and that the sample it compares us with does the same work."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from google.cloud.bigtable_v2.types import MutateRowsRequest
from google.pubsub_v1.types import PublishRequest
from hypothesis import given
from hypothesis import strategies as st

from functions.cooling.rules import cool
from functions.ingest.rules import Door, Taken, take
from functions.scoring.predicting import TABLES
from layers.events.envelope import MAX_BODY_BYTES, read_envelopes
from layers.events.record import decode_record, encode_record
from layers.facts import DERIVED
from layers.privacy.pseudonym import Pseudonymiser
from tests.bench.cores import cpu_s, memory_mb, tree
from tests.bench.judged import scoring_lines
from tests.bench.load import read_answer
from tests.bench.measured import Run
from tests.bench.payloads import MIX, SMALL_MIX, body, event, templates
from tests.bench.percentiles import percentile, summary_ms
from tests.bench.protowalk import Malformed, published_in, rows_of
from tests.bench.scoring import table_sql
from tests.bench.servers import RETAILER
from tests.bench.subjects.sample_cooling import rows_of as rows_of_sample
from tests.bench.subjects.sample_ingest.rules import Row, rows
from tests.bench.table import Line, at_least, at_most, shown, text

KEY = base64.b64encode(bytes(range(32))).decode()
NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.integers(1, 100))
def test_a_percentile_was_seen_and_the_next_smaller_one_is_too_small(values: list[float], hundredths: int) -> None:
    found = percentile(values, hundredths / 100)
    share = Fraction(hundredths, 100)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values) + 1


def test_a_summary_is_in_milliseconds() -> None:
    assert summary_ms([n / 1000 for n in range(1, 101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert summary_ms([]) == {}
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], 0)


def test_a_line_is_reached_on_its_own_side_only() -> None:
    assert at_least("p", "m", 40, "times", 40).reached and not at_least("p", "m", 39.9, "times", 40).reached
    assert at_most("p", "m", 50, "ms", 50).reached and not at_most("p", "m", 50.1, "ms", 50).reached
    assert at_most("p", "m", None, "ms", 50).reached is None is Line("p", "m", 1, "ms").reached


def test_scoring_is_linear_where_a_shopper_costs_the_same_among_many() -> None:
    def lines(most_s: float) -> dict[str, Line]:
        runs = [Run(100, 1, 0.5, 1.0, 300.0), Run(400, 1, most_s, 4.0, 350.0), Run(400, 1, 99.0, 9.0, 340.0)]
        return {line.measure: line for line in scoring_lines(runs)}

    even, steep = lines(2.0), lines(3.0)
    assert even["CPU, 400 shoppers"].figure == 5.0 and even["memory, at most"].figure == 350.0
    ratio = "CPU a shopper of 400 is … times that of 100"
    assert even[ratio].reached and not steep[ratio].reached
    assert even["CPU of all 400"].figure == 2.0, "the round that cost least"


@pytest.mark.parametrize("name", TABLES)
def test_a_drawn_table_has_the_declared_columns(name: str) -> None:
    table = next(each for each in DERIVED if each.name == name)
    selected, _, _ = table_sql("p.d.t", table, 3, 2).partition(" FROM (SELECT ")
    assert re.findall(r" AS (\w+)(?:, |$)", selected) == [column.name for column in table.columns]


def test_the_table_shows_each_line_in_columns_of_one_width() -> None:
    lines = [at_least("ingest", "throughput", 15482.4, "events/s", 15000), at_most("steady", "p95", 61, "ms", 50)]
    printed = text([*lines, Line("ingest", "CPU", 0.314, "µs")]).splitlines()
    assert len({len(line) for line in printed}) == 1
    assert [line.split("|")[-2].strip() for line in printed[2:]] == ["yes", "NO", ""]
    assert "15 482 events/s" in printed[2] and "at least 15 000" in printed[2]


@pytest.mark.parametrize(
    ("figure", "read"), [(None, "-"), (0.314, "0.31"), (41.27, "41.3"), (8, "8"), (1234567.8, "1 234 568")]
)
def test_a_figure_is_shown_short(figure: float | None, read: str) -> None:
    assert shown(figure) == read


@given(st.lists(st.binary(max_size=300), max_size=40), st.text("abc/", max_size=20))
def test_the_sinks_count_rows_as_the_official_messages_hold_them(values: list[bytes], table: str) -> None:
    entries = [
        {"row_key": value, "mutations": [{"set_cell": {"value": value * 3, "timestamp_micros": 7}}]} for value in values
    ]
    written = MutateRowsRequest(table_name=table, app_profile_id="p", entries=entries)
    assert rows_of(MutateRowsRequest.serialize(written)) == (table, len(values))


@given(st.lists(st.lists(st.binary(min_size=1, max_size=50).filter(lambda b: b"\n" not in b), max_size=5), max_size=8))
def test_the_sinks_count_the_lines_of_each_message(messages: list[list[bytes]]) -> None:
    held = [{"data": b"\n".join(lines), "attributes": {"retailer": "a\nb"}} for lines in messages]
    request = PublishRequest.serialize(PublishRequest(topic="t\n", messages=held))
    assert published_in(request) == (len(messages), sum(map(len, messages)))


@given(st.binary(max_size=40))
def test_what_is_no_message_is_malformed_or_counted_never_a_crash(noise: bytes) -> None:
    with contextlib.suppress(Malformed, UnicodeDecodeError):
        assert rows_of(b"\x12\x00" + noise)[1] >= 1


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", (204, True)),
        (b"HTTP/1.1 204 No Content\r\nServer: x\r\n", (0, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", (200, False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", (200, True)),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", (503, True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", (200, False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", (200, True)),
    ],
)
def test_the_load_knows_when_an_answer_is_whole(answer: bytes, found: tuple[int, bool]) -> None:
    assert read_answer(answer) == found


@pytest.mark.parametrize("events", [1, 10, 50])
def test_a_request_of_the_load_is_what_it_says_and_never_twice_the_same(events: int) -> None:
    ring = templates(RETAILER, 80, events, count=40, prefix="0198f0c2-abcd-7abc-abcd")
    ids: set[str] = set()
    sizes = []
    for number, template in enumerate(ring):
        head, _, sent = template.filled(number * events).partition(b"\r\n\r\n")
        assert f"content-length: {len(sent)}" in head.decode().lower()
        assert len(sent) <= MAX_BODY_BYTES
        held = json.loads(sent)["events"]
        assert len(held) == events
        ids |= {one["id"] for one in held}
        sizes.append(len(sent) / events)
    assert len(ids) == events * len(ring)
    assert 900 <= sum(sizes) / len(sizes) <= 1200


def _both(sent: str) -> tuple[Taken, list[Row], list[dict[str, Any]]]:
    retailer = json.loads(RETAILER.to_json())
    ours = take(read_envelopes(sent.encode(), server=False), Door(RETAILER, Pseudonymiser(KEY), lambda _: None), NOW)
    return ours, *rows(json.loads(sent), retailer, base64.b64decode(KEY), NOW)


@pytest.mark.parametrize("mix", [MIX, SMALL_MIX])
def test_the_sample_stores_what_we_store(mix: tuple[str, ...]) -> None:
    sent = body(mix, 0, 40, "0198f0c2-abcd-7abc-abcd", NOW, random.Random(7)) % tuple(range(40))
    ours, kept, rejected = _both(sent)
    assert not ours.rejected and not rejected
    assert [(row.key.encode(), row.family) for row in kept] == [(event.key, event.family) for event in ours.events]
    assert [int(row.at.timestamp() * 1000) for row in kept] == [event.at_ms for event in ours.events]
    assert [decode_record(row.data) for row in kept] == [decode_record(event.line) for event in ours.events]


ADDED = {"type": "AddedToBasket", "id": "event-0001", "at": "2026-11-22T11:00:00Z", "product": "p1", "price": 1.5}


@pytest.mark.parametrize(
    "broken",
    [
        {"quantity": 0},
        {"quantity": True},
        {"quantity": 1, "email": "jane@example.org"},
        {"quantity": 1, "id": "short"},
        {"quantity": 1, "at": "2026-11-22T11:00:00"},
        {"quantity": 1, "at": (NOW + timedelta(hours=1)).isoformat()},
        {"quantity": 1, "at": "2020-01-01T00:00:00Z"},
        {"quantity": 1, "type": "Nothing"},
        {},
    ],
)
def test_the_sample_refuses_what_we_refuse(broken: dict[str, Any]) -> None:
    events = [{**ADDED, **broken}, {**ADDED, "quantity": 1}]
    ours, kept, rejected = _both(json.dumps({"shopper": "925", "session": "s", "channel": "web", "events": events}))
    assert [r.index for r in ours.rejected] == [r["index"] for r in rejected] == [0]
    assert len(ours.events) == len(kept) == 1


def test_the_sample_cools_the_rows_that_we_cool() -> None:
    chance, shopper = random.Random(3), "01" + "ab" * 16
    made = [event(kind, f"event-{n:04d}", NOW, chance) for n, kind in enumerate((*MIX, *SMALL_MIX))]
    made.append({"type": "RemovedFromBasket", "id": "event-9999", "at": NOW, "product": "p", "quantity": 2, "price": 1})
    lines = [encode_record(shopper, "s", "web", NOW, msgspec.json.encode(one)) for one in made]
    theirs: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        for table, kept in rows_of_sample(json.loads(line)).items():
            theirs.setdefault(table, []).extend(kept)
    for cooled in cool(map(decode_record, lines)):
        ours = [dict(zip(cooled.columns, row, strict=True)) for row in zip(*cooled.columns.values(), strict=True)]
        for mine, their in zip(ours, theirs.pop(cooled.table.name), strict=True):
            for name in ("at", "received"):
                their[name] = datetime.fromisoformat(their[name])
            assert {name: value for name, value in mine.items() if value is not None} == their
    assert not theirs


def test_the_cost_of_a_tree_is_that_of_all_its_processes() -> None:
    burning = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burning!r}])"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as root:
        assert root.stdin is not None and root.stdout is not None
        root.stdout.readline()
        found = tree(root.pid)
        assert len(found) == 2 and found[0] == root.pid
        assert cpu_s(found) >= 0.2 > cpu_s(found[:1])
        assert cpu_s([*found, 2**22 + 1]) == pytest.approx(cpu_s(found), abs=0.1)
        pss, rss = memory_mb(found)
        assert 0 < pss <= rss
        root.stdin.close()
