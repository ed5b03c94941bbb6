"""What a command sends to a service and what comes of it, over a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from layers.calling.asking import NoAddress, NoAnswer, answering, exchanged, opened, read_json, renewing
from layers.calling.identity import CannotAsk

SILENT_S = 20.0
LENGTH = 200_000
"""More than the kernel takes at once: the answer is cut off while it is read."""


class Service(ThreadingHTTPServer):
    """Answers with what it was asked. `/cut`: half an answer. `/mute`: none."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path == "/mute":
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        heads = {name.lower(): value for name, value in self.headers.items()}
        told = {"method": self.command, "path": self.path, "body": body.decode(), "heads": heads}
        self.send_response(418)
        if self.path == "/cut":
            self.send_header("content-length", str(LENGTH))
        self.end_headers()
        self.wfile.write(b"x" * (LENGTH // 2) if self.path == "/cut" else json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass
class Bearer:
    """Has these tokens, one after the other."""

    tokens: list[str] = field(default_factory=lambda: ["one", "two"])
    asked: int = 0

    def token(self) -> str:
        return self.tokens[0]

    def renewed(self) -> bool:
        self.asked += 1
        if not self.tokens:
            raise CannotAsk("none")
        return len(self.tokens) > 1 and bool(self.tokens.pop(0))


@pytest.mark.parametrize(
    ("url", "kind", "host", "port", "base"),
    [
        ("https://rewards.example", HTTPSConnection, "rewards.example", 443, ""),
        ("http://127.0.0.1:8080/", HTTPConnection, "127.0.0.1", 8080, ""),
        ("https://proxy.example:8443/rewards/", HTTPSConnection, "proxy.example", 8443, "/rewards"),
        ("http://[::1]:80/a/b", HTTPConnection, "::1", 80, "/a/b"),
    ],
)
def test_an_address_is_a_connection_and_what_paths_begin_with(
    url: str, kind: type[HTTPConnection], host: str, port: int, base: str
) -> None:
    connection, begins = opened(url, SILENT_S)
    assert (type(connection), connection.host, connection.port, begins) == (kind, host, port, base)
    assert connection.timeout == SILENT_S and connection.sock is None, "nothing is sent yet"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rewards.example",
        "rewards.example:443",
        "ftp://rewards.example",
        "https://",
        "/v1",
        "https://rewards.example:https",
        "https://rewards.example:99999",
        "https://[::1",
        "https://rewards example",
        f"https://{'r' * 64}.example",
        "https://rewards.example/é",
    ],
)
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(NoAddress):
        opened(url, SILENT_S)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", {"customers": ["é"]}), ("POST", {})])
def test_a_request_arrives_as_it_was_asked_and_the_answer_as_it_was_given(
    method: str, body: Any, service: Service
) -> None:
    connection, base = opened(f"{service.url}/base", SILENT_S)
    status, content = exchanged(connection, method, f"{base}/v1/games?a=b", "the-token", body)
    told = json.loads(content)
    assert (status, told["method"], told["path"]) == (418, method, "/base/v1/games?a=b")
    assert told["heads"]["authorization"] == "Bearer the-token"
    assert told["heads"]["content-type"] == "application/json"
    assert (json.loads(told["body"]) if told["body"] else None) == body
    assert connection.sock is None, "closed"


@given(st.text() | st.text().map(lambda rest: f"https://{rest}"))
def test_whatever_is_given_is_an_address_or_none(url: str) -> None:
    try:
        connection, base = opened(url, SILENT_S)
    except NoAddress:
        return
    assert connection.host.encode("idna") and not base.endswith("/") and base.isascii()


def nobody() -> str:
    """An address that was somebody's a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        return f"http://127.0.0.1:{place.getsockname()[1]}"


def test_nobody_there_no_answer_and_half_of_one_are_no_answer(service: Service) -> None:
    for url, path, reason in (
        (nobody(), "/", "ConnectionRefusedError"),
        (service.url, "/mute", "RemoteDisconnected"),
        (service.url, "/cut", "IncompleteRead"),
    ):
        connection, base = opened(url, SILENT_S)
        with pytest.raises(NoAnswer) as broken:
            exchanged(connection, "GET", base + path, "t")
        assert broken.value.reason == reason and connection.sock is None


def test_an_answer_that_breaks_off_while_it_is_read_is_none(service: Service) -> None:
    connection, _ = opened(service.url, SILENT_S)
    read = 0
    with pytest.raises(NoAnswer), answering(connection, "GET", "/cut", "t") as answer:
        read = len(answer.read(1000))
        answer.read()
    assert read == 1000 and connection.sock is None


def test_what_a_reader_finds_wrong_is_its_own(service: Service) -> None:
    connection, _ = opened(service.url, SILENT_S)
    with pytest.raises(CannotAsk, match="refused"), answering(connection, "GET", "/", "t") as answer:
        raise CannotAsk(f"refused ({answer.status})")
    assert connection.sock is None


@pytest.mark.parametrize(
    ("statuses", "tokens", "sent", "last", "asked"),
    [
        ([200], ["one", "two"], ["one"], 200, 0),
        ([503, 200], ["one", "two"], ["one"], 503, 0),
        ([401, 200], ["one", "two"], ["one", "two"], 200, 1),
        ([401, 401, 200], ["one", "two", "three"], ["one", "two"], 401, 1),
        ([401, 200], ["one"], ["one"], 401, 1),
    ],
)
def test_a_refused_token_is_had_anew_once(
    statuses: list[int], tokens: list[str], sent: list[str], last: int, asked: int
) -> None:
    identity, with_token, answers = Bearer(tokens), list[str](), iter(statuses)

    def send() -> tuple[int, bytes]:
        with_token.append(identity.token())
        return next(answers), b""

    assert renewing(identity, send) == (last, b"")
    assert with_token == sent and identity.asked == asked


def test_a_token_that_cannot_be_had_anew_is_said() -> None:
    with pytest.raises(CannotAsk):
        renewing(Bearer([]), lambda: (401, b""))


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_an_object_is_read(told: dict[str, Any]) -> None:
    assert read_json(json.dumps(told).encode()) == told


@given(st.none() | st.integers() | st.text() | st.lists(st.dictionaries(st.text(), st.integers())))
def test_what_is_no_object_is_empty(told: Any) -> None:
    assert read_json(json.dumps(told).encode()) == {}


@given(st.binary())
@example(b"")
@example(b"<html>Unauthorized</html>")
@example(b'{"detail":')
@example(b"\xff\xfe{")
def test_what_is_no_json_is_empty(content: bytes) -> None:
    try:
        json.loads(content)
    except ValueError:
        assert read_json(content) == {}
