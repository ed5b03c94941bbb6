"""The compliance officer's commands, against the endpoint's own handler behind a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from functions.consent_erasure.__main__ import main
from functions.consent_erasure.handler import answer
from functions.consent_erasure.officer import CannotAsk, customers
from functions.consent_erasure.officer import Office as Desk
from tests.handlers.asking import ask
from tests.handlers.test_consent_erasure import ERASED, OFFICER, Office, bearer


class Endpoint(ThreadingHTTPServer):
    """The handler on fakes, served on a port that the machine chose. `failing`: answers 503 so many times first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.office = asyncio.run(Office().filled())
        self.failing = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes) -> None:
        if self.server.failing:
            self.server.failing -= 1
            self.send_response(503)
            self.end_headers()
            return
        office = self.server.office
        asked = ask(self.command, self.path, body, dict(self.headers.items()))
        response = asyncio.run(answer(asked, office.room, lambda: next(office.times)))
        self.send_response(response.status_code)
        self.end_headers()
        self.wfile.write(bytes(response.body))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(bearer(OFFICER)["authorization"].removeprefix("Bearer ") + "\n")
    (tmp_path / "ids.txt").write_text("\n".join([*ERASED, "", ERASED[0]]) + "\n")
    return tmp_path


def run(endpoint: Endpoint, files: Path, command: str, reference: str = "R-1", *more: str) -> int:
    named = [] if command == "key" else ["--retailer", "demo", "--reference", reference]
    return main([command, "--url", endpoint.url, "--token-file", str(files / "token"), *named, *more])


def test_erases_fetches_and_verifies(endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids, key = str(files / "ids.txt"), str(files / "key.pem")
    receipts = [str(files / name) for name in ("1.json", "2.json")]
    assert run(endpoint, files, "erase", "R-1", "--customers", ids, "--out", receipts[0]) == 0
    assert run(endpoint, files, "erase", "R-2", "--customers", ids) == 0
    assert run(endpoint, files, "receipt", "R-2", "--out", receipts[1]) == 0
    assert run(endpoint, files, "status", "R-1") == 0
    assert run(endpoint, files, "key", "", "--out", key) == 0
    said = "".join(capsys.readouterr())
    assert "bigtable:events: found 6, deleted 6, verified" in said and "due 2026-12-22" in said
    assert main(["verify", *receipts, "--key", key]) == 0
    assert "numbers 1 to 2 are all here" in capsys.readouterr().out
    assert main(["verify", *reversed(receipts), "--key", key]) == 1
    Path(receipts[0]).write_bytes(Path(receipts[0]).read_bytes().replace(b'"found":6', b'"found":0'))
    assert main(["verify", *receipts, "--key", key]) == 1
    assert "altered" in capsys.readouterr().out


def test_nothing_that_is_said_holds_a_customer(
    endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(endpoint, files, "erase", "R-1", "--customers", str(files / "ids.txt"), "--out", str(files / "r")) == 0
    (files / "bad.txt").write_text("jane@example.org\n")
    assert run(endpoint, files, "erase", "R-9", "--customers", str(files / "bad.txt")) == 2
    said = "".join(capsys.readouterr())
    assert "no erasure request" in said and not any(word in said for word in (*ERASED, "jane"))


def test_what_stopped_on_the_way_is_sent_again(endpoint: Endpoint) -> None:
    endpoint.failing = 3
    waited: list[float] = []
    token = bearer(OFFICER)["authorization"].removeprefix("Bearer ")
    desk = Desk(endpoint.url, token, lambda _text: None, waited.append)
    assert desk.erase("demo", "R-1", list(ERASED))["status"] == "complete" and len(waited) == 3
    gone = replace(desk, url="http://127.0.0.1:1")
    with pytest.raises(CannotAsk, match="has not ended"):
        gone.erase("demo", "R-1", list(ERASED))
    with pytest.raises(CannotAsk, match="does not answer"):
        gone.status("a" * 32)


def test_a_refusal_is_told_in_the_services_words(
    endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(endpoint, files, "status", "never-asked") == 2
    assert "no such erasure" in capsys.readouterr().err
    assert run(endpoint, files, "receipt", "never-asked") == 2
    (files / "token").write_text("nonsense")
    assert run(endpoint, files, "status") == 2
    assert "caller is not known" in capsys.readouterr().err


def test_incomplete_and_overdue_are_no_success(endpoint: Endpoint, files: Path) -> None:
    endpoint.office.facts.down = True
    with pytest.raises(Exception, match="down"):
        asyncio.run(endpoint.office.post())
    times: Any = iter([(next(endpoint.office.times)).replace(year=2027)] * 3)
    endpoint.office.times = times
    assert run(endpoint, files, "status") == 1


@pytest.mark.parametrize("lines", [[], ["", " "], [str(number) for number in range(1001)]])
def test_a_list_that_no_request_may_hold_is_refused_here(lines: list[str]) -> None:
    with pytest.raises(CannotAsk, match="1 to 1000"):
        customers(lines)


def test_what_cannot_be_read_says_so(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt, missing = files / "r.json", files / "missing"
    receipt.write_text(json.dumps({}))
    assert main(["verify", str(receipt), "--key", str(missing)]) == 2
    missing.write_text("no key")
    assert main(["verify", str(receipt), "--key", str(missing)]) == 2
    said = capsys.readouterr().err
    assert "cannot be read" in said and "no public key" in said


@pytest.mark.parametrize("command", ["erase", "status", "receipt", "key", "verify"])
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0 and "usage" in capsys.readouterr().out
