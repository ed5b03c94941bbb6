"""The compliance officer's commands, against the endpoint's own handler behind a real socket."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.consent_erasure.__main__ import main
from functions.consent_erasure.arguments import arguments
from functions.consent_erasure.handler import answer
from functions.consent_erasure.lists import Part, Progress, customers, parts
from functions.consent_erasure.officer import Office as Desk
from functions.consent_erasure.officer import store_line
from functions.consent_erasure.rules import COMPLETE, MAX_CUSTOMERS, erasure_id, read_request
from layers.calling.identity import CannotAsk, FromFile, FromGcloud
from layers.stores.collections import ERASURES
from tests.handlers.asking import ask
from tests.handlers.test_consent_erasure import ERASED, NOW, OFFICER, Office, bearer


class Endpoint(ThreadingHTTPServer):
    """The handler on fakes, served on a port that the machine chose. `failing`: answers 503 so many times first.
    `expired`: tokens that Cloud Run would refuse."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.office = asyncio.run(Office().filled())
        self.failing = 0
        self.posts = 0
        self.expired: set[str] = set()

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
        if self.headers["authorization"].removeprefix("Bearer ") in self.server.expired:
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"<html>Unauthorized</html>")
            return
        self.server.posts += self.command == "POST"
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


def test_what_stopped_on_the_way_is_sent_again(endpoint: Endpoint, files: Path) -> None:
    endpoint.failing = 3
    waited: list[float] = []
    desk = Desk(endpoint.url, FromFile(files / "token"), lambda _text: None, waited.append)
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


@pytest.mark.parametrize("lines", [[], ["", " "]])
def test_a_list_of_nobody_is_refused_here(lines: list[str]) -> None:
    with pytest.raises(CannotAsk, match="no customer id"):
        customers(lines)


class TestLongLists:
    @given(st.integers(1, 4500), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
    def test_every_customer_is_in_one_part_and_every_part_is_a_request(self, count: int, reference: str) -> None:
        ids = [f"9{number:012d}" for number in range(count)]
        try:
            made = parts(reference, ids)
        except CannotAsk:
            assert count > MAX_CUSTOMERS and len(reference) > 62
            return
        assert [id for part in made for id in part.customers] == ids
        assert len({part.reference for part in made}) == len(made) == -(-count // MAX_CUSTOMERS)
        for part in made:
            body = {"retailer": "demo", "reference": part.reference, "customers": list(part.customers)}
            assert len(read_request(json.dumps(body).encode()).customers) == len(part.customers)
        assert parts(reference, ids) == made

    def test_each_part_is_erased_once_with_a_receipt_of_its_own(
        self, endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ids = files / "many.txt"
        ids.write_text("\n".join([*(f"8{number:012d}" for number in range(MAX_CUSTOMERS)), *ERASED]))
        folder, key = files / "receipts", str(files / "key.pem")
        asked = ("--customers", str(ids), "--out", str(folder))
        assert run(endpoint, files, "erase", "R-1", *asked) == 0
        assert endpoint.posts == 2 and asyncio.run(endpoint.office.residue(ERASED[0])) == 0
        progress = (files / "many.txt.progress").read_text()
        assert [each["reference"] for each in json.loads(progress)["requests"]] == ["R-1.1", "R-1.2"]
        assert not any(id in progress for id in ids.read_text().split())
        assert run(endpoint, files, "key", "", "--out", key) == 0
        assert main(["verify", str(folder / "R-1.1.json"), str(folder / "R-1.2.json"), "--key", key]) == 0
        assert run(endpoint, files, "erase", "R-1", *asked) == 0 and endpoint.posts == 2, "nothing is asked twice"
        (folder / "R-1.2.json").unlink()
        assert run(endpoint, files, "erase", "R-1", *asked) == 0 and (folder / "R-1.2.json").exists()
        capsys.readouterr()
        assert run(endpoint, files, "status", "R-1") == 0
        assert "R-1.1 (1000 customers): complete" in (said := capsys.readouterr().out) and "R-1.2 (2 customers)" in said
        assert run(endpoint, files, "receipt", "R-1", "--out", str(files / "again")) == 0
        assert sorted(path.name for path in (files / "again").iterdir()) == ["R-1.1.json", "R-1.2.json"]
        assert run(endpoint, files, "receipt", "R-1") == 2

    def test_a_record_of_another_erasure_is_not_gone_on_with(self, tmp_path: Path) -> None:
        path, part = tmp_path / "progress", Part("R-1.1", ("900",))
        Progress(path, "demo", "R-1", 1001).note(part, {"id": "e", "status": COMPLETE, "due": "", "finished": ""})
        assert Progress(path, "demo", "R-1", 1001).complete(part)
        assert not Progress(path, "demo", "R-1", 1001).complete(Part("R-1.1", ("900", "901")))
        with pytest.raises(CannotAsk, match="another erasure"):
            Progress(path, "demo", "R-1", 1002)
        path.write_text("{}")
        with pytest.raises(CannotAsk, match="no record"):
            Progress(path, "demo", "R-1", 1001)


class TestIdentity:
    @pytest.fixture
    def gcloud(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A `gcloud` of a person: refuses an audience, prints what stands in `token`, and notes what it was asked."""
        (tmp_path / "bin").mkdir()
        command = tmp_path / "bin" / "gcloud"
        command.write_text(
            f"""#!/bin/sh
echo "$*" >> {tmp_path}/asked
case "$*" in *--audiences=*) echo "Invalid account type" >&2; exit 1;; esac
cat {tmp_path}/gcloud-token
"""
        )
        command.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
        return tmp_path

    def test_gcloud_is_asked_first_as_a_service_account_and_then_as_a_person(
        self, gcloud: Path, endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (gcloud / "gcloud-token").write_text((files / "token").read_text())
        named = ["--url", endpoint.url, "--retailer", "demo", "--reference", "R-1"]
        assert main(["erase", *named, "--customers", str(files / "ids.txt")]) == 0
        asked = (gcloud / "asked").read_text().splitlines()
        assert asked == [
            f"auth print-identity-token --quiet --audiences={endpoint.url}",
            "auth print-identity-token --quiet",
        ], "once for the whole erasure"
        assert "complete" in capsys.readouterr().out

    def test_without_a_login_it_says_what_to_do(self, gcloud: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", "--url", "http://127.0.0.1:1", "--retailer", "demo", "--reference", "R-1"]) == 2
        assert "gcloud auth login" in capsys.readouterr().err
        (gcloud / "bin" / "gcloud").unlink()
        with pytest.raises(CannotAsk, match="gcloud auth login"):
            FromGcloud("http://127.0.0.1:1").token()

    def test_one_that_expired_on_the_way_is_had_anew(self, endpoint: Endpoint, files: Path) -> None:
        good = (files / "token").read_text().strip()
        (files / "token").write_text("e30.e30.expired")
        endpoint.expired.add("e30.e30.expired")
        desk = Desk(endpoint.url, FromFile(files / "token"), lambda _text: None, lambda _seconds: None)
        assert desk.identity.token() == "e30.e30.expired"
        (files / "token").write_text(good)
        assert desk.erase("demo", "R-1", list(ERASED))["status"] == COMPLETE

    @pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff", "é".encode()])
    def test_a_file_without_one_is_refused_before_anything_is_asked(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "token").write_bytes(content)
        with pytest.raises(CannotAsk, match="no identity token"):
            FromFile(tmp_path / "token").token()


class TestWhileItRuns:
    def test_each_store_is_told_before_the_request_ends(self, endpoint: Endpoint, files: Path) -> None:
        """The facts wait until it was told that the events are deleted."""
        heard, said = threading.Event(), list[str]()
        job = endpoint.office.facts.job

        def waiting(sql: str, parameters: Any = None) -> Any:
            assert heard.wait(20), "nothing was told while the request ran"
            return job(sql, parameters)

        def say(text: str) -> None:
            said.append(text.strip())
            if text.strip() == "bigtable:events: found 6, deleted 6, not verified yet":
                heard.set()

        endpoint.office.facts.job = waiting  # type: ignore[method-assign]
        endpoint.office.times = itertools.repeat(NOW)  # two threads may not ask one generator
        desk = Desk(endpoint.url, FromFile(files / "token"), say, looks_every_s=0.01)
        assert desk.erase("demo", "R-1", list(ERASED))["status"] == COMPLETE
        assert len(set(said)) == len(said), "nothing is said twice"
        assert said[-1].endswith("verified") and "bigtable:events: found 6, deleted 6, verified" in said

    def test_a_store_is_told_in_five_ways(self) -> None:
        begun = {"store": "s", "found": 3, "deleted": 0, "remaining": None, "started": "t"} | dict.fromkeys(
            ("finished", "verified")
        )
        ended = begun | {"deleted": 3, "finished": "t"}
        late = ended | {"found": 4, "remaining": 1, "verified": "t"}
        kept = {"store": "s", "started": "t", "finished": "t", "verified": "t"}
        assert [store_line(each) for each in (begun | {"started": None}, begun, ended, late, kept)] == [
            "",
            "s: found 3, deleted 0, going on",
            "s: found 3, deleted 3, not verified yet",
            "s: found 4, deleted 3, 1 came since, and go next",
            "s: written, verified",
        ]


@pytest.mark.parametrize(
    ("days", "status", "says", "code"),
    [
        (20, "running", "", 0),
        (5, "incomplete", "in less than a week", 0),
        (-1, "running", "why it is late", 1),
        (-1, "complete", "", 0),
    ],
)
def test_the_deadline_warns(
    days: int, status: str, says: str, code: int, endpoint: Endpoint, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    endpoint.office.times = itertools.repeat(now)
    data: dict[str, Any] = {"retailer": "demo", "reference": "R-1", "customers": 1, "requested": now, "stores": {}}
    document = {**data, "status": status, "due": now + timedelta(days=days), "request": "x"}
    asyncio.run(endpoint.office.documents.put(ERASURES, erasure_id("demo", "R-1"), document))
    assert run(endpoint, files, "status") == code
    warned = capsys.readouterr().err
    assert says in warned and ("WARNING" in warned) == bool(says)


def test_what_cannot_be_read_says_so(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receipt, missing = files / "r.json", files / "missing"
    receipt.write_text(json.dumps({}))
    assert main(["verify", str(receipt), "--key", str(missing)]) == 2
    missing.write_text("no key")
    assert main(["verify", str(receipt), "--key", str(missing)]) == 2
    said = capsys.readouterr().err
    assert "cannot be read" in said and "no public key" in said


@pytest.mark.parametrize("command", ["erase", "status", "receipt", "access", "object", "key", "verify"])
def test_every_command_has_its_help_with_an_example_that_is_understood(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and all(len(line) <= 120 for line in said.splitlines() if "Example" not in line)
    example = said.partition("Example: python -m functions.consent_erasure ")[2].split()
    assert arguments().parse_args(example).command == command
