"""What a connection may carry, drawn by Hypothesis: good requests in every spelling, bad ones, several at once, cut
anywhere. Knows no door.

A stream that ends its connection early does so in its last request and its last piece: whatever came after it would be
answered by a reset, which takes answers with it that were on their way.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from functions.ingest.function import DOCUMENT_PATH, EVENTS_PATH
from layers.events.envelope import MAX_BODY_BYTES
from tests.fuzz.door import RETAILER, TARGET

NOW = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
PAGE = RETAILER.origins[0]


@dataclass(frozen=True)
class Stream:
    """Attributes:
    good: requests that are whole and HTTP. One more may follow that is neither.
    """

    pieces: tuple[bytes, ...]
    good: int


ids = st.integers(0, 10**9).map(lambda number: f"event-{number:010d}")
products = st.sampled_from(["3017620422003", "a", "a:b._-", "x" * 64])
prices = st.sampled_from([0, 1, 3.49, 1e6, -0.0, 5e-324, 1e-9])
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def _of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    times = st.sampled_from([NOW, NOW.replace("Z", ".123456+00:00"), NOW.replace("Z", ".1Z")])
    # Two types under one id and time would be one row of two families, in whatever order they are read.
    own = ids.map(lambda id: f"{kind}-{id}")
    return st.fixed_dictionaries({"type": st.just(kind), "id": own, "at": times, **fields})


good_events = st.one_of(
    _of("ProductViewed", product=products),
    _of("AddedToBasket", product=products, quantity=st.sampled_from([1, 0.5, 1e7]), price=prices),
    _of("Searched", query=texts),
    _of("PageViewed", page=texts, category=texts),
    _of("LinkClicked", page=texts, target=texts),
    _of(
        "OrderPaid",
        order=products,
        total=prices,
        lines=st.lists(st.fixed_dictionaries({"product": products, "paid": prices}), min_size=1, max_size=5),
    ),
    _of("ConsentChanged", purposes=st.just({"rewards": True})),
    _of(
        "ConsentChanged",
        purposes=st.just({}),
        tcf=st.just("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA.YAAAAAAAAAAA"),
        consent_mode=st.sampled_from([{}, {"ad_storage": "denied", "ad_personalization": "granted"}]),
    ),
)
bad_events = st.one_of(
    _of("ProductViewed", product=st.sampled_from(["", " ", "x" * 65, "a\n", "é", None, 7])),
    _of("ProductViewed", product=products, email=texts),
    _of("ProductViewed", product=products).map(lambda event: {**event, "at": "2001-01-01T00:00:00Z"}),
    _of("ProductViewed", product=products).map(lambda event: {**event, "at": "2201-01-01T00:00:00Z"}),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts, st.lists, max_leaves=5
    ),
)


def _id_of(event: Any) -> str:
    return str(event["id"]) if isinstance(event, dict) else repr(event)


@st.composite
def envelopes(draw: st.DrawFn, events: st.SearchStrategy[Any]) -> bytes:
    envelope = {
        "shopper": f"c{draw(st.integers(0, 10**6))}",
        "session": draw(st.sampled_from(["s", "S-1", "x" * 64])),
        "channel": draw(st.sampled_from(["web", "app", "history"])),
        # Of two events of one id and time in one request, either may be the one that is kept: they are the same event.
        "events": draw(st.lists(events, min_size=1, max_size=4, unique_by=_id_of)),
    }
    order = draw(st.permutations(list(envelope)))
    spaced = draw(st.sampled_from([None, 1]))
    escaped = draw(st.booleans())
    return json.dumps({name: envelope[name] for name in order}, indent=spaced, ensure_ascii=escaped).encode()


good_envelopes, mixed_envelopes = envelopes(good_events), envelopes(good_events | bad_events)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good body with a few bytes changed, taken away or put in."""
    body = bytearray(draw(good_envelopes))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(body)))
        body[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(body)


def _body(*events: object) -> bytes:
    return json.dumps({"shopper": "c1", "session": "s", "channel": "web", "events": events}).encode()


_GOOD = {"type": "ProductViewed", "id": "event-good", "at": NOW, "product": "1"}

ODDITIES: tuple[tuple[str, Any], ...] = (
    *(("method", method) for method in ("OPTIONS", "GET", "PUT")),
    ("version", "1.0"),
    ("framing", "chunked"),
    ("framing", "Chunked"),
    *(("trailer", ("Origin", origin)) for origin in ("https://evil.example", PAGE)),
    *(("type", kind) for kind in ("APPLICATION/JSON", "text/plain ; x=y", "text/html", "")),
    *(
        ("target", target)
        for target in (
            f"{TARGET}&utm=1",
            f"{TARGET}&",
            f"{TARGET}#x",
            f"{EVENTS_PATH}?key={RETAILER.write_key[::-1]}",
            f"{EVENTS_PATH}?key=%{ord(RETAILER.write_key[0]):x}{RETAILER.write_key[1:]}",
            f"{TARGET}&key={RETAILER.write_key}",
            f"http://elsewhere{TARGET}",
            EVENTS_PATH,
            DOCUMENT_PATH,
            "/",
            "/v1/%65vents",
        )
    ),
    *(
        ("header", header)
        for header in (
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", PAGE),
            ("Content-Type", "text/html"),
            ("Content-Encoding", "gzip"),
            ("Content-Encoding", "identity"),
            ("Expect", "100-continue"),
            ("webhook-signature", "v1,x"),
            ("webhook-id", "1"),
            ("X-Empty", ""),
            ("Access-Control-Request-Method", "POST"),
        )
    ),
    *(
        ("body", body)
        for body in (
            b"",
            b"[]",
            b"{}",
            b"null",
            b"[" * 40_000,
            b" " * MAX_BODY_BYTES,
            b" " * (MAX_BODY_BYTES + 1),
            b"[" + _body(_GOOD) + b"]",
            _body(),
            _body(_GOOD, 7),
            _body(7),
            _body({**_GOOD, "at": "2001-01-01T00:00:00Z"}),
            b"\xef\xbb\xbf" + _body(_GOOD),
            _body(*[_GOOD] * 1001),
        )
    ),
)
"""What may be odd about a request, one thing each. The last of two in the same respect counts."""

odd_bodies = st.one_of(mixed_envelopes, mutated(), st.binary(max_size=50)).map(lambda body: ("body", body))
# By number: Hypothesis would write them all out, brackets and spaces too.
of_the_list = st.integers(0, len(ODDITIES) - 1).map(ODDITIES.__getitem__)
oddities = st.lists(of_the_list | odd_bodies, max_size=2)
usual_types = st.sampled_from(
    ["application/json", "text/plain;charset=UTF-8", "text/plain", "application/json; charset=utf-8"]
)
usual_headers = st.lists(
    st.sampled_from(
        [
            ("Origin", PAGE),
            ("Accept-Encoding", "gzip, br"),
            ("User-Agent", "Mozilla/5.0 (é)"),
            ("Cookie", "a=" + "b" * 900),
            ("X-Long", "y" * 9000),
        ]
    ),
    max_size=3,
    unique=True,
)


@st.composite
def in_chunks(draw: st.DrawFn, body: bytes, trailer: tuple[str, str]) -> bytes:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=4)))
    parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    extension = draw(st.sampled_from([b"", b";a=b", b';c="d"']))
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
    return chunks + b"0\r\n" + ": ".join(trailer).encode() + b"\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn, odd: st.SearchStrategy[list[tuple[str, Any]]] = oddities) -> bytes:
    """A usual request, odd in one or two respects or in none."""
    found = draw(odd)
    its = dict(found)
    body = its["body"] if "body" in its else draw(good_envelopes)
    named = [("Host", "door"), *draw(usual_headers), *(value for respect, value in found if respect == "header")]
    framing = its.get("framing", "chunked" if "trailer" in its else "")
    named.append(("Transfer-Encoding", framing) if framing else ("Content-Length", str(len(body))))
    if framing:
        body = draw(in_chunks(body, its.get("trailer", ("X", "1"))))
    kind = its["type"] if "type" in its else draw(usual_types)
    if kind:
        named.append(("Content-Type", kind))
    # A door that refuses a long body and closes resets the connection, and its answer with it.
    version = its.get("version", "1.1") if len(body) < 5000 else "1.1"
    lines = [f"{its.get('method', 'POST')} {its.get('target', TARGET)} HTTP/{version}"]
    for name, value in draw(st.permutations(named)):
        spelled = draw(st.sampled_from([name, name.lower(), name.upper()]))
        lines.append(f"{spelled}:{draw(st.sampled_from([' ', '', '  ']))}{value}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


nonsense = st.sampled_from(
    [
        b"nonsense\r\n\r\n",
        f"POST {TARGET} HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
        f"POST {TARGET} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
        f"POST {TARGET} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\nzz\r\n".encode(),
        f"POST {TARGET} HTTP/1.1\r\nX : 1\r\n\r\n".encode(),
        f"POST {TARGET} HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n".encode(),
        f"POST {TARGET} HTTP/1.1\r\nX: {'y' * 40_000}\r\n\r\n".encode(),
        f"POST {TARGET} HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort".encode(),
        b"\x00",
        b"\x16\x03\x01",
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    # What stands behind another goes the ordinary way at both doors; so often there is one alone.
    sent = draw(st.lists(requests(), min_size=1, max_size=draw(st.sampled_from([1, 4]))))
    # HTTP/1.0 closes after its answer, so it comes last.
    first_old = next((place for place, request in enumerate(sent) if b" HTTP/1.0\r\n" in request), None)
    if first_old is not None:
        sent = sent[: first_old + 1]
    broken = first_old is None and draw(st.integers(0, 4)) == 0
    whole = b"".join(sent)
    last = len(whole) if broken or first_old is None else len(whole) - len(sent[-1])
    cuts = sorted(draw(st.sets(st.integers(0, last), max_size=6)))
    if broken:
        whole += draw(nonsense)
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    return Stream(tuple(piece for piece in pieces if piece), len(sent))


def alone(oddity: tuple[str, Any]) -> st.SearchStrategy[Stream]:
    """One request that is odd in this and nothing else."""
    return requests(st.just([oddity])).map(lambda request: Stream((request,), 1))
