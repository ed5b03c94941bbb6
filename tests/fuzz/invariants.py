"""What must hold for any bytes at all that reach a reader of ours. Pure; Hypothesis and atheris both call them.

Only the declared exceptions may leave a reader. What is refused is refused in words of ours: every message is one of a
list, so nothing of the sender can be in it. What is taken can be read back, and holds nothing that was not looked at.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from functions.cooling.rules import cool
from functions.ingest import openapi
from layers.events.envelope import MAX_EVENTS, InvalidBody, read_envelopes, read_event
from layers.events.model import CATEGORY_LENGTH, PAGE_LENGTH, QUERY_LENGTH
from layers.events.record import (
    CorruptRecord,
    decode_lines,
    decode_record,
    encode_record,
    milliseconds,
    read_row_key,
    row_key,
)
from layers.events.scrub import scrub_text, scrub_url
from layers.privacy.signature import InvalidSignature, verify
from layers.retailers import Contract
from layers.shell.push import NotAPush, decode_push
from layers.stores.bigquery.arrow import record_batch

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTRACT = Contract()
SHOPPER = "01" + "ab" * 16

FIELDS = {"event", "received"} | {
    name for schema in openapi.document()["components"]["schemas"].values() for name in schema.get("properties", {})
}
"""What a path may name: the fields of a record, and all that the API documents."""

_FIELD = "(?:" + "|".join(sorted(FIELDS)) + ")"
_KIND = "`[a-z| ]+`"
PATH = re.compile(rf"\$(?:\[\d{{1,4}}\])?(?:\.{_FIELD}(?:\[\d{{1,4}}\])?)*")
RULES = re.compile(
    "|".join(
        (
            "not valid JSON",
            "not UTF-8",
            "nested too deeply",
            "a field that the schema does not declare; closed schemas keep personal data out",
            "a value that the schema does not list",
            f"Object missing required field `{_FIELD}`",
            f"Expected {_KIND}(?:, got {_KIND})?",
            rf"Expected {_KIND} matching regex '\^[^']+\$\(\?!\\\\n\)'",
            rf"Expected {_KIND} of length [<>]= \d+",
            rf"Expected {_KIND} [<>]=? [\d.]+",
            f"Expected {_KIND} with a timezone component",
            "(?:Number|Integer value) out of range",
            "Invalid RFC3339 encoded datetime",
            r"the product of line \d+ does not match \S+",
            "in the future; the sender's clock is ahead by more than 5 minutes",
            r"older than the retention contract of \d+ days for such events: it would be purged at once",
        )
    )
)
BODY_RULES = re.compile(
    rf"(?:{RULES.pattern}) \(at ({PATH.pattern})\)|more than {MAX_EVENTS} events in one request; send them in several|"
    "a list of envelopes is for servers that sign; a tracker sends one envelope, a JSON object"
)
SIGNATURE_RULES = re.compile(
    r"webhook-id, webhook-timestamp and webhook-signature are all needed|"
    r"webhook-timestamp is not within 300 seconds of now: set the clock|"
    r"no signature fits: sign the body byte for byte with the signing key of this retailer"
)
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,2048}\Z")
_TIME = re.compile(r"[0-9Tt :.Zz+-]{10,40}\Z")
_LONG_NUMBER = re.compile(r"(?<![\w.])\d{9,}(?!\w)")


def check_body(data: bytes) -> None:
    for server in (False, True):
        try:
            envelopes = read_envelopes(data, server)
        except InvalidBody as error:
            assert BODY_RULES.fullmatch(str(error)), str(error)
            continue
        assert 0 < sum(len(envelope.events) for envelope in envelopes) <= MAX_EVENTS
        for envelope in envelopes:
            for name in (envelope.shopper, envelope.session):
                assert _ID.match(name)
            for raw in envelope.events:
                check_event(bytes(raw))


def check_event(data: bytes) -> None:
    event, kept = read_event(data, NOW, CONTRACT)
    if isinstance(event, str):
        assert isinstance(kept, str)
        assert PATH.fullmatch(event), event
        assert RULES.fullmatch(kept), kept
        return
    assert isinstance(kept, bytes)
    line = encode_record(SHOPPER, "s", "web", NOW, kept)
    assert b"\n" not in line
    record = decode_record(line)
    assert record.event == event
    key = row_key("demo", SHOPPER, event.at, event.id)
    shopper, at = read_row_key(key)
    assert (shopper, milliseconds(at)) == (SHOPPER, milliseconds(event.at))
    assert abs(event.at - at) < timedelta(milliseconds=1)
    assert key.count(b"#") == 3
    _check_nothing_unseen(kept, event)
    for cooled in cool([record]):
        # What was acknowledged and cannot be written to BigQuery would lie in quarantine for ever.
        assert record_batch(cooled.table, cooled.columns).num_rows == len(cooled.sources)


def _check_nothing_unseen(kept: bytes, event: object) -> None:
    """Each text within is the event's, or could only be an id or a time: a copy that was decoded and then replaced."""
    seen = set(_texts(msgspec.to_builtins(event)))
    for text in _texts(json.loads(kept, object_pairs_hook=lambda pairs: list(map(list, pairs)))):
        assert text in seen or text in FIELDS or _ID.match(text) or _TIME.match(text), text


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []


def check_lines(data: bytes) -> None:
    records, corrupt = decode_lines(data)
    assert len(records) + len(corrupt) == sum(1 for line in data.split(b"\n") if line.strip())
    for number, where in corrupt:
        assert 1 <= number <= data.count(b"\n") + 1
        assert PATH.fullmatch(where), where
    for record in records:
        assert record.event == decode_record(msgspec.json.encode(record)).event


def check_push(data: bytes) -> None:
    try:
        delivery = decode_push(data)
    except NotAPush as error:
        assert str(error) == "the body is not a Pub/Sub push envelope"
        return
    assert "/" not in delivery.subscription


def check_signature(message_id: str, timestamp: str, signature: str, body: bytes, now: float) -> None:
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    try:
        verify(b"k" * 32, headers, body, now)
    except InvalidSignature as error:
        assert SIGNATURE_RULES.fullmatch(str(error)), str(error)
    else:
        raise AssertionError("a signature was guessed")


def check_row_key(data: bytes) -> None:
    with suppress(CorruptRecord):
        _, at = read_row_key(data)
        assert at.tzinfo is UTC


def _is_product(number: str) -> bool:
    """Thirteen digits whose last one is GS1's check digit."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(number))
    return len(number) == 13 and weighted % 10 == 0


def check_text(text: str) -> None:
    for scrub in (scrub_text, scrub_url):
        clean = scrub(text)
        assert scrub(clean) == clean
        assert all(map(_is_product, _LONG_NUMBER.findall(clean))), clean
        for word in re.split(r"[\s<>/]+", clean):
            assert not re.match(r".+?(@|%40).+\..", word), clean
    assert not set("?#;") & set(scrub_url(text)), text


def check_limits(text: str) -> None:
    """Free text as long as it may be, whatever the scrubbing makes of it."""
    base = {"id": "event-0001", "at": "2026-11-22T10:00:00Z"}
    page = text[:PAGE_LENGTH]
    for event in (
        {"type": "PageViewed", "page": page, "category": text[:CATEGORY_LENGTH]},
        {"type": "LinkClicked", "page": page, "target": page},
        {"type": "Searched", "query": text[:QUERY_LENGTH]},
    ):
        check_event(json.dumps({**base, **event}).encode())
