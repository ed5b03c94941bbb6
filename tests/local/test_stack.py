"""The laptop stack as such: what the graph asks for is there, and bringing it up again changes nothing."""

from __future__ import annotations

import json
import stat
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators import cli, welcome
from emulators.appliers.scheduler import NoAnswer, UnknownJob
from emulators.stack import NotUp, Stack
from emulators.wiring import UnknownFunction
from tests.loopback import HTTP

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def test_what_the_graph_asks_for_is_there(stack: Stack) -> None:
    graph = json.loads((stack.folder / "graph.json").read_text())
    by_type: dict[str, list[dict[str, Any]]] = {}
    for resource in graph["resources"]:
        by_type.setdefault(resource["type"], []).append(resource["inputs"])
    pubsub = f"http://{stack.hosts['PUBSUB_EMULATOR_HOST']}/v1/projects/{graph['project']}"
    subscriptions = {each["name"].rpartition("/")[2]: each for each in get(f"{pubsub}/subscriptions")["subscriptions"]}
    for asked in by_type["gcp:pubsub/subscription:Subscription"]:
        made = subscriptions.pop(asked["name"])
        endpoint = asked.get("pushConfig", {}).get("pushEndpoint")
        assert (made.get("pushConfig") or {}).get("pushEndpoint") == (
            endpoint and stack.address(endpoint.removeprefix("https://").partition(".")[0])
        )
        assert made.get("deadLetterPolicy") == asked.get("deadLetterPolicy")
    assert subscriptions == {}
    bigquery = f"http://{stack.hosts['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/projects/{graph['project']}"
    for dataset in by_type["gcp:bigquery/dataset:Dataset"]:
        tables = get(f"{bigquery}/datasets/{dataset['datasetId']}/tables?maxResults=1000")["tables"]
        asked_tables = [
            each for each in by_type["gcp:bigquery/table:Table"] if each["datasetId"] == dataset["datasetId"]
        ]
        assert {each["tableReference"]["tableId"] for each in tables} == {each["tableId"] for each in asked_tables}


def test_every_function_runs_from_its_archive_and_not_from_the_repository(stack: Stack) -> None:
    assert set(stack.processes()) == {*stack.functions, "bigtable", "pubsub", "firestore", "bigquery", "s3"}
    assert all(stack.processes().values())
    for function in stack.functions:
        folder = Path(f"/proc/{stack.processes()[function]}/cwd")
        if folder.exists():
            assert folder.resolve().is_relative_to(stack.folder.resolve())


def test_a_function_sees_no_address_of_the_graph_and_its_secrets_are_only_in_one_file(stack: Stack) -> None:
    for function in stack.functions:
        values = stack.environment(function)
        assert not [name for name, value in values.items() if ".run.invalid" in value]
        assert values["FUNCTION_USE_ASGI"] == "true"
    secret = stack.secret("pseudonym-key", "demo")
    holding = [
        path for path in stack.folder.rglob("*") if path.is_file() and secret in path.read_text(errors="replace")
    ]
    assert [path.name for path in holding] == ["secrets.json"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600


def test_bringing_it_up_again_restarts_nothing_that_is_healthy(stack: Stack) -> None:
    before, addresses = stack.processes(), {name: stack.address(name) for name in stack.functions}
    secret = stack.secret("pseudonym-key", "demo")
    stack.refresh(stack.folder / "graph.json")
    assert stack.processes() == before
    stack.kill("scoring")
    assert stack.processes()["scoring"] == 0
    stack.refresh(stack.folder / "graph.json")
    after = stack.processes()
    assert after.pop("scoring") not in (0, before.pop("scoring"))
    assert after == before
    assert {name: stack.address(name) for name in stack.functions} == addresses
    assert stack.secret("pseudonym-key", "demo") == secret


def test_a_killed_function_is_gone_until_it_is_restarted(stack: Stack) -> None:
    url = stack.address("feeds") + "/robots.txt"
    assert stack.kill("feeds")
    assert not stack.kill("feeds")
    with pytest.raises(OSError):  # refused, or reset while the kernel still takes it down
        urllib.request.urlopen(url, timeout=5)
    with pytest.raises(NoAnswer, match="feeds"):
        stack.fire("feeds")
    stack.restart("feeds")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url, timeout=5)


def test_the_three_commands_that_it_prints_work(stack: Stack) -> None:
    statuses = []
    published = ["bash", "-c", welcome.tree_command(stack.wiring)]
    assert b"shows" in subprocess.run(published, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    for _, command in welcome.commands(stack.wiring, datetime.now(UTC)):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
        statuses.append((int(done.stdout.splitlines()[-1]), done.stdout))
    assert statuses[0][0] == 204, statuses[0]
    assert statuses[1][0] == 200, statuses[1]
    assert 200 <= statuses[2][0] < 300, statuses[2]


def test_what_is_not_there_is_said_by_name(stack: Stack) -> None:
    with pytest.raises(UnknownFunction, match="ingest"):
        stack.address("ingests")
    with pytest.raises(UnknownJob, match="scoring"):
        stack.fire("ingest")
    with pytest.raises(LookupError, match="GONDOLA_SECRET"):
        stack.secret("pseudonym-key", "nobody")


def test_the_command_line_finds_it_and_does_not_mix_with_it(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(stack.folder)]
    assert cli.main(["status", *folder]) == 0
    assert stack.address("ingest") in capsys.readouterr().out
    assert cli.main(["up", *folder, "--graph", str(stack.folder / "graph.json")]) == 1
    assert "already up" in capsys.readouterr().err
    assert cli.main(["logs", "nobody", *folder]) == 1
    assert "ingest" in capsys.readouterr().err


def test_where_nothing_is_up_commands_say_so_and_down_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", "--folder", str(tmp_path)]) == 1
    assert cli.main(["fire", "feeds", "--folder", str(tmp_path)]) == 1
    assert "emulators up" in capsys.readouterr().err
    assert cli.main(["down", "--folder", str(tmp_path)]) == 0


def test_a_graph_that_cannot_be_applied_leaves_nothing_running(tmp_path: Path) -> None:
    graph = {"project": "p", "stack": "dev", "resources": [{"urn": "u", "type": "gcp:new/thing:Thing", "name": "n"}]}
    graph["resources"][0] |= {"inputs": {}, "depends_on": []}  # type: ignore[index, operator]
    file = tmp_path / "given.json"
    file.write_text(json.dumps(graph))
    assert cli.main(["up", "--folder", str(tmp_path / "stack"), "--graph", str(file)]) == 1
    with pytest.raises(NotUp):
        Stack.attach(tmp_path / "stack")


def test_two_stacks_run_side_by_side_one_of_them_with_one_function_only(stack: Stack, tmp_path: Path) -> None:
    with Stack.up(tmp_path, graph=stack.folder / "graph.json", only=["ingest"]) as other:
        assert other.processes().keys() == {"ingest", *stack.processes().keys() - set(stack.functions)}
        with pytest.raises(httpx.ConnectError):
            HTTP.get(other.address("cooling"))
        project = other.environment("ingest")["GONDOLA_PROJECT"]
        listed = HTTP.get(f"http://{other.hosts['PUBSUB_EMULATOR_HOST']}/v1/projects/{project}/subscriptions")
        pushed = [each["name"] for each in listed.json()["subscriptions"] if each.get("pushConfig")]
        assert not pushed, "a message that nobody takes would be pushed for ever"
        same = other.processes()
        other.refresh(tmp_path / "graph.json")
        assert other.processes() == same
        assert Stack.attach(tmp_path).address("cooling") == other.address("cooling")
        assert not set(other.hosts.values()) & set(stack.hosts.values())
        assert other.address("ingest") != stack.address("ingest")
        assert other.secret("pseudonym-key", "demo") != stack.secret("pseudonym-key", "demo")
        assert not set(other.processes().values()) & set(stack.processes().values())
        running = other.processes()
    assert all(running.values())
    assert not any(other.processes().values())
    assert all(stack.processes().values())
