"""Processes: found ready, stopped, never mistaken for others, never left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulators.processes import ProcessFailed, Running, Start, alive, environment_of, free_ports, start, stop, tail
from emulators.processes.ready import wait

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "import time; print('begun', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def request(folder: Path, code: str, held: bool = True) -> Start:
    return Start("sleeper", (sys.executable, "-c", code), {"ONLY": "this"}, folder / "sleeper.log", held)


def begun(process: Running) -> bool:
    return "begun" in tail(process.log)


@pytest.fixture(params=[True, False], ids=["held", "left up"])
def sleeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    process = start(Start("sleeper", (sys.executable, "-c", SLEEP), {}, tmp_path / "sleeper.log", request.param))
    wait(process, lambda: begun(process))
    yield process
    stop([process], grace_s=0)


def test_a_process_runs_until_it_is_stopped(sleeper: Running) -> None:
    assert alive(sleeper)
    assert stop([sleeper]) == []
    assert not alive(sleeper)
    assert stop([sleeper]) == []


def test_another_process_that_got_the_same_id_is_not_touched(sleeper: Running) -> None:
    earlier = dataclasses.replace(sleeper, born="1")
    assert not alive(earlier)
    assert stop([earlier]) == []
    assert alive(sleeper)


def test_one_that_does_not_listen_is_killed_and_named(tmp_path: Path) -> None:
    process = start(request(tmp_path, DEAF))
    wait(process, lambda: begun(process))
    assert stop([process], grace_s=0.2) == ["sleeper"]
    assert not alive(process)


FORKS = f"import os; os.fork(); {SLEEP}"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux lists the processes of a group")
def test_what_it_started_goes_with_it_even_when_it_was_killed_alone(tmp_path: Path) -> None:
    """As a gunicorn worker whose master was killed: it would keep the port."""
    process = start(request(tmp_path, FORKS))
    wait(process, lambda: tail(process.log).count("begun") == 2)
    os.kill(process.pid, signal.SIGKILL)
    while alive(process):
        time.sleep(0.01)
    members = [int(f.parent.name) for f in Path("/proc").glob("[0-9]*/cmdline") if b"os.fork(); import time" in read(f)]
    assert len(members) == 1
    assert stop([dataclasses.replace(process, arguments=("others",))]) == []
    assert not gone(members[0])
    assert stop([process]) == []
    assert gone(members[0])


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_a_process_sees_nothing_of_this_ones_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/somebody/key.json")
    process = start(request(tmp_path, "import os; print(sorted(os.environ), 'begun', flush=True)"))
    with pytest.raises(ProcessFailed):
        wait(process, lambda: False)
    seen = tail(process.log)
    assert "'ONLY'" in seen
    assert "'PATH'" in seen
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in seen


def test_one_that_stops_while_starting_says_why(tmp_path: Path) -> None:
    process = start(request(tmp_path, "raise SystemExit('no such port')"))
    with pytest.raises(ProcessFailed, match="no such port"):
        wait(process, lambda: False)


def test_a_command_that_does_not_exist_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="sleeper"):
        start(Start("sleeper", ("/no/such/command",), {}, tmp_path / "log", held=False))


def test_ports_are_different_and_kept_for_a_server_of_ours() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert not set(ports) & set(free_ports(50))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", ports[0]))
        server.listen()


def test_clients_find_the_emulators_under_their_own_names() -> None:
    assert environment_of({"s3": 1, "bigtable": 2}) == {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "BIGTABLE_EMULATOR_HOST": "127.0.0.1:2",
    }


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.emulators
@pytest.mark.timeout(90)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its holder has died")
def test_killing_the_holder_leaves_nothing(tmp_path: Path) -> None:
    """Not even the emulator, which was never told to stop."""
    code = (
        "import time; from pathlib import Path; from emulators.processes import start_servers\n"
        f"for s in start_servers(['bigtable', 's3'], Path({str(tmp_path)!r}), True).values(): print(s.process.pid)\n"
        "print(flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    with holder.stdout as lines:
        pids = [int(line) for line in iter(lines.readline, "\n")]
    assert len(pids) == 2
    assert not any(gone(pid) for pid in pids)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    while not all(gone(pid) for pid in pids):
        time.sleep(0.02)
