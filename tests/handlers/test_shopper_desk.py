"""The officer's commands about one customer, against the endpoint's own handler under a real server."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from functions.consent_erasure.__main__ import main
from functions.consent_erasure.access import package
from functions.consent_erasure.handler import answer
from functions.consent_erasure.shopper_desk import END
from tests.handlers.test_rights import ANNE, DEMO, NOW, OFFICER, PSEUDONYM, STRANGER, Halfway, Office, bearer


class Endpoint:
    """The handler on fakes, served as in the cloud, on a port that the machine chose."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(self._app, interface="asgi3", log_level="critical", lifespan="off")
        )
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([self._socket])))

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        response = await answer(Request(scope, receive), self.office.room, lambda: NOW)
        await response(scope, receive, send)

    def __enter__(self) -> Endpoint:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(asyncio.run(Office().fill(ANNE))) as served:
        yield served


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, email in (("token", OFFICER), ("stranger", STRANGER)):
        (tmp_path / name).write_text(bearer(email)["authorization"].removeprefix("Bearer "))
    (tmp_path / "id.txt").write_text(f"{ANNE}\n")
    return tmp_path


def run(url: str, files: Path, command: str, *more: str, token: str = "token", customer: str = "id.txt") -> int:
    asked = ["--url", url, "--token-file", str(files / token), "--retailer", "demo", "--reference", "A-1"]
    return main([command, *asked, "--customer", str(files / customer), *more])


def test_a_package_is_written_whole_and_for_its_owner_alone(
    endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "package.json"
    assert run(endpoint.url, files, "access", "--out", str(out)) == 0
    told = json.loads(out.read_bytes())
    assert told["complete"] is True and len(told["stores"]) > 10
    assert out.stat().st_mode & 0o077 == 0 and not list(files.glob("*.part"))
    said = "".join(capsys.readouterr())
    assert ANNE not in said and PSEUDONYM(ANNE) not in said


def test_of_a_package_that_is_cut_off_nothing_is_left(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    office = asyncio.run(Office().fill(ANNE))
    broken = Halfway()
    broken.rows = office.events.rows
    office.room = replace(office.room, hot_events=broken)
    with Endpoint(office) as served:
        assert run(served.url, files, "access", "--out", str(files / "package.json")) == 2
    assert not list(files.glob("package*"))
    said = "".join(capsys.readouterr())
    assert "broke off" in said and PSEUDONYM(ANNE) not in said


async def test_a_whole_package_ends_as_the_command_expects() -> None:
    office = await Office().fill(ANNE)
    pieces = await package(office.room, DEMO, "A-1", ANNE, PSEUDONYM(ANNE), NOW)
    assert b"".join([piece async for piece in pieces]).endswith(END)


def test_an_objection_says_whether_it_is_in_force(
    endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(endpoint.url, files, "object") == 0
    assert "recorded as of 2026-11-22T12:00:00.654Z" in capsys.readouterr().out
    with Endpoint(asyncio.run(Office().fill(ANNE))) as served:
        assert run(served.url, files, "object", "--since", "2026-10-20T10:00:00+02:00") == 1
    assert "not in force: the customer gave a newer consent on 2026-11-02" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["access", "object"])
def test_a_refusal_is_told_in_the_endpoints_words(
    command: str, endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--out", str(files / "package.json")] if command == "access" else []
    assert run(endpoint.url, files, command, *more, token="stranger") == 2
    assert "compliance" in capsys.readouterr().err
    (files / "two.txt").write_text("900\n901\n")
    assert run(endpoint.url, files, command, *more, customer="two.txt") == 2
    assert "asks about one" in capsys.readouterr().err
    assert run("http://127.0.0.1:1", files, command, *more) == 2
    assert "send the same command again" in capsys.readouterr().err
    assert run("ftp://x", files, command, *more) == 2
    assert not list(files.glob("package*"))


def test_a_place_that_cannot_be_written_is_said(
    endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(endpoint.url, files, "access", "--out", str(files / "nowhere" / "package.json")) == 2
    assert "cannot be written" in capsys.readouterr().err
