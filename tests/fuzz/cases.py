r"""HTTP cases as data: what is sent, in which pieces, and what must come back. Read from `tests/examples/http`.

A piece is text with `\r \n \t \0 \xNN` and these marks, of which NAME tells several bodies of a case apart:

    <target>          path and key               <post>            request line, Host and Content-Type of a POST
    <body:NAME>       an envelope with one event <sized:NAME>      its Content-Length, the empty line, the body
    <chunk:NAME>      the body as one chunk      <request:NAME>    <post> and <sized:NAME>: a good request
    <length:NAME>     its bytes                  <part:NAME:N:M>   bytes N to M of it (M may be missing)
    <cut:NAME:N:M:X>  that part as a chunk, with X behind its size
    <times:N:TEXT>    TEXT, N times              <shopper> <id> <now> <event>   for a `body` of one's own
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.fuzz.door import TARGET

FOLDER = Path(__file__).parents[1] / "examples" / "http"
POST = f"POST {TARGET} HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n".encode()
_MARK = re.compile(rb"<([a-z]+)((?::[^<>]*)?)>")
_ESCAPE = re.compile(rb"\\(r|n|t|0|x[0-9a-f]{2})")
_ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}
OWN = "own"
"""The name of a `body` that a case writes itself."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Attributes:
    send: pieces. body: instead of `send`, the body of a good request, with `headers` beside it.
    answers: statuses in order. ends: `open`, `closed` by the door, or `left`, by us and without reading.
    waits: before each further piece, for one answer more. finish: our side is closed after the last piece.
    stored: names of bodies whose event must be stored, and no other.
    problem: kind of the last answer. slow: takes longer than anybody likes to wait for a suite.
    """

    name: str
    answers: list[int]
    send: list[str] = []
    body: str = ""
    headers: str = ""
    ends: str = "open"
    waits: bool = False
    finish: bool = False
    pause_ms: int = 5
    stored: list[str] = []
    problem: str = ""
    slow: bool = False
    why: str = ""


def cases() -> list[Case]:
    found: list[Case] = []
    for file in sorted(FOLDER.glob("*.yaml")):
        found += msgspec.convert(yaml.safe_load(file.read_text()), list[Case])
    assert len({case.name for case in found}) == len(found), "two cases of one name"
    return found


def sized(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@dataclass
class Told:
    """A case written out, with customers and events that no other run has.

    Attributes:
        customers, events: by the body's name; an event as it was sent.
    """

    case: Case
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    now: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    customers: dict[str, str] = field(default_factory=dict)
    events: dict[str, bytes] = field(default_factory=dict)

    def pieces(self) -> list[bytes]:
        if self.case.body:
            body = self.written(self.case.body)
            return [POST + self.written(self.case.headers) + sized(body)]
        return [self.written(piece) for piece in self.case.send]

    def written(self, text: str) -> bytes:
        escaped = _ESCAPE.sub(lambda match: _unescaped(match[1]), text.encode())
        return _MARK.sub(self._mark, escaped)

    def _mark(self, match: re.Match[bytes]) -> bytes:
        name = match[1].decode()
        arguments = match[2][1:].decode().split(":") if match[2] else []
        marks: dict[str, Callable[..., bytes]] = {
            "target": lambda: TARGET.encode(),
            "post": lambda: POST,
            "body": self.body,
            "sized": lambda of="": sized(self.body(of)),
            "chunk": lambda of="": _chunk(self.body(of)),
            "request": lambda of="": POST + sized(self.body(of)),
            "length": lambda of="": b"%d" % len(self.body(of)),
            "part": self._part,
            "cut": lambda of, first, last="", extension="": _chunk(self._part(of, first, last), extension),
            "times": lambda count, *text: ":".join(text).encode() * int(count),
            "shopper": lambda: self._customer(OWN).encode(),
            "id": lambda: self._event_id(OWN).encode(),
            "now": lambda: self.now.encode(),
            "event": lambda: self.event(OWN),
        }
        return marks[name](*arguments)

    def _part(self, name: str, first: str, last: str = "") -> bytes:
        return self.body(name)[int(first) : int(last) if last else None]

    def _customer(self, name: str) -> str:
        return self.customers.setdefault(name, f"c{self.run}-{name or 'a'}")

    def _event_id(self, name: str) -> str:
        return f"event-{self.run}-{name or 'a'}"

    def event(self, name: str) -> bytes:
        said = f'{{"type":"ProductViewed","id":"{self._event_id(name)}","at":"{self.now}","product":"3017620422003"}}'
        return self.events.setdefault(name, said.encode())

    def body(self, name: str = "") -> bytes:
        head = f'{{"shopper":"{self._customer(name)}","session":"s","channel":"web","events":['.encode()
        return head + self.event(name) + b"]}"


def _chunk(data: bytes, extension: str = "") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension.encode(), data)


def _unescaped(code: bytes) -> bytes:
    return _ESCAPES.get(code) or bytes([int(code[1:], 16)])


def as_ids(case: Any) -> str:
    return str(case.name)
