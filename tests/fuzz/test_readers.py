"""Every reader of bytes from outside, under Hypothesis and under a coverage-guided fuzzer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layers.events.envelope import read_event
from layers.events.model import EVENT_TYPES, type_name
from tests.fuzz import guided, invariants
from tests.fuzz.door import ROOT
from tests.fuzz.effort import LONG, effort

EXAMPLES = json.loads((ROOT / "tests" / "examples" / "events.json").read_text())
EVENTS = [*EXAMPLES["valid"], *(case["event"] for case in EXAMPLES["refused"])]
much = settings(max_examples=effort(100, 2000), deadline=None)

odd_texts = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["jane@example.org", "a@b.c " * 90, "%40" * 171, "1 " * 256, "x\n", "event-0001\n", "\ud800", "\x00"]
    ),
    st.text("0123456789 .-/()+@%<>#?;x", max_size=600),
)
names = st.sampled_from(sorted(invariants.FIELDS)) | st.sampled_from(
    ["x - at `$.jane", "x` - at `$.jane", "x - at `$.", "x - at `$.0612345678", "jane", ""]
)
moments = st.one_of(
    st.sampled_from(["2026-11-22T10:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59"]),
    st.sampled_from(["2026-11-22T10:00:00.9999999Z", "2026-11-22T12:05:00.0000001Z", "2026-11-22T10:00:60Z", "0000"]),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), odd_texts, moments, st.sampled_from([10**400, -0.0, 5e-324])
)
values = st.recursive(scalars, lambda each: st.lists(each, max_size=4) | st.dictionaries(names, each, max_size=4))


@st.composite
def written(draw: st.DrawFn, value: Any, most_changes: int = 3) -> str:
    """JSON of an object, with some fields changed, added, taken away, or sent twice."""
    pairs = [(name, json.dumps(each)) for name, each in value.items()] if isinstance(value, dict) else []
    for _ in range(draw(st.integers(0, most_changes))):
        place = draw(st.integers(0, len(pairs)))
        name = draw(st.sampled_from([pair[0] for pair in pairs]) | names) if pairs else draw(names)
        fresh = [(name, json.dumps(draw(values)))] if draw(st.integers(0, 3)) else []
        pairs[place : place + draw(st.integers(0, 1))] = fresh
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    return "{" + ("," + space).join(f"{_spelled(draw, name)}:{space}{each}" for name, each in pairs) + "}"


def _spelled(draw: st.DrawFn, name: str) -> str:
    text = json.dumps(name)
    if name[:1].isalpha() and draw(st.integers(0, 9)) == 0:
        return f'"\\u{ord(name[0]):04x}{text[2:]}'
    return text


events = st.sampled_from(EVENTS).flatmap(written)


@st.composite
def orders(draw: st.DrawFn) -> str:
    """Good ones, of which something was said twice before it was said well."""

    def fields(last: list[tuple[str, str]], twice: st.SearchStrategy[tuple[str, str]]) -> str:
        pairs = draw(st.lists(twice, max_size=2)) + last
        return "{" + ",".join(f"{_spelled(draw, name)}:{each}" for name, each in pairs) + "}"

    product = st.text(min_size=1, max_size=9).map(lambda text: ("product", json.dumps(text)))
    said = [("product", '"1"'), ("paid", "1")]
    lines = [fields(said, product) for _ in range(draw(st.integers(1, 3)))]
    odd_line = product.map(lambda pair: ("lines", f'[{{"product":{pair[1]},"paid":1}}]'))
    order = [("id", '"event-0001"'), ("at", '"2026-11-22T10:00:00Z"'), ("order", '"1"')]
    held = [("total", "1"), ("lines", f"[{','.join(lines[: draw(st.integers(0, 3))])}]")]
    if draw(st.booleans()):
        return fields([("type", '"OrderPaid"'), *order, *held], odd_line)
    status = [("type", '"OrderStatusUpdated"'), *order, ("status", '"delivered"'), ("kept", fields(held, odd_line))]
    return fields(status, st.just(("kept", '{"total":1,"lines":[{"product":"jane doe","paid":1}]}')))


bodies = st.lists(events, max_size=3).flatmap(
    lambda each: written({"shopper": "900", "session": "s", "channel": "web"}).map(
        lambda head: head[:-1] + f',"events":[{",".join(each)}]' + "}"
    )
)


def as_bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@much
@given((events | orders()).map(as_bytes) | st.binary(max_size=200))
def test_events(data: bytes) -> None:
    invariants.check_event(data)


def test_the_invariants_see_a_good_event_of_every_type() -> None:
    seen = set()
    for event in EXAMPLES["valid"]:
        taken, _ = read_event(json.dumps(event).encode(), invariants.NOW, invariants.CONTRACT)
        assert not isinstance(taken, str)
        seen.add(type_name(taken))
        invariants.check_event(json.dumps(event).encode())
    assert seen == {type_name(kind) for kind in EVENT_TYPES}


@much
@given((bodies | st.lists(bodies, max_size=2).map(lambda each: f"[{','.join(each)}]")).map(as_bytes) | st.binary())
@example(b'{"events":[' + b"[" * 60_000)
@example(b'{"events":[' + b'{"a":' * 10_000)
def test_bodies(data: bytes) -> None:
    invariants.check_body(data)


lines = st.builds(
    lambda event, head: head[:-1] + f',"event":{event}' + "}",
    events,
    written({"shopper": invariants.SHOPPER, "session": "s", "channel": "web", "received": "2026-11-22T10:00:00Z"}),
)


@much
@given(st.lists(lines.map(as_bytes) | st.binary(max_size=50), max_size=4).map(b"\n".join))
@example(b"[" * 100_000)
@example(b'{"x":' + b"[" * 100_000)
def test_lines(data: bytes) -> None:
    invariants.check_lines(data)


@much
@given(
    written({"data": "aGk=", "messageId": "1", "publishTime": "2026-11-22T10:00:00Z", "attributes": {"a": "b"}})
    .map(lambda message: f'{{"message":{message},"subscription":"projects/p/subscriptions/s"}}')
    .map(as_bytes)
    | st.binary()
)
@example(b'{"x":' + b"[" * 1_000_000)
def test_pushes(data: bytes) -> None:
    invariants.check_push(data)


latin = st.text(st.characters(max_codepoint=255), max_size=40)


@much
@given(
    latin,
    latin | st.integers().map(str) | st.integers(0, 5000).map(lambda digits: "9" * digits),
    latin | st.just("v1,"),
    st.binary(max_size=20),
    st.floats(0, 1e12),
)
def test_signatures(message_id: str, timestamp: str, signature: str, body: bytes, now: float) -> None:
    invariants.check_signature(message_id, timestamp, signature, body, now)


@much
@given(st.binary() | st.from_regex(rb"demo#[a-z0-9]{0,34}#[0-9]{12,14}#.{0,9}", fullmatch=True))
def test_row_keys(data: bytes) -> None:
    invariants.check_row_key(data)


@much
@given(odd_texts)
def test_free_texts(text: str) -> None:
    text = text.encode(errors="replace").decode()
    invariants.check_text(text)
    invariants.check_limits(text)


@pytest.mark.skipif(not guided.AVAILABLE, reason="atheris has no wheel for this machine")
@pytest.mark.timeout(3600)
def test_what_a_guided_fuzzer_finds(tmp_path: Path) -> None:
    limit = ["--seconds", "120"] if LONG else ["--runs", "4000"]
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", "--folder", str(tmp_path), *limit],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Done" in run.stderr
