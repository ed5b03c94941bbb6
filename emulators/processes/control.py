"""Starts, recognises and stops one process. Does not own what it runs nor when it is ready.

A process id alone says nothing: the system gives it to another process later. A process of ours is its id and the
moment it began; only when both match is it stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_HAS_PROC = Path("/proc/self/stat").exists()
POLL_S = 0.02

# The kernel's death signal follows the thread that started the child, not its process: a test's worker thread that ends
# would take the emulators with it. So one thread, which lives as long as this process, starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="process-starter")
_children: dict[int, subprocess.Popen[bytes]] = {}


class ProcessFailed(RuntimeError):
    """A process stopped by itself or never became ready. The message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be run.

    Attributes:
        environment: the only values it sees, besides PATH, HOME and the like: a laptop's own credentials and settings
            must not reach a function.
        held: it ends when this process does, however this process ends. False for a stack that stays up.
        at_holders_death: the signal it then gets. SIGKILL for one that holds nothing worth a farewell, as it may hang;
            SIGTERM for one that has children to take with it.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    held: bool
    folder: Path | None = None
    at_holders_death: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Running:
    """A started process. `born` is in the system's own notation and only ever compared for equality."""

    name: str
    pid: int
    born: str
    log: str


def start(request: Start) -> Running:
    """Starts it in a process group of its own, with its output appended to its log.

    Raises:
        ProcessFailed: the command does not exist or cannot be run.
    """
    return _starter.submit(_start, request).result()


def _start(request: Start) -> Running:
    request.log.parent.mkdir(parents=True, exist_ok=True)
    command: Sequence[str] = request.command
    if request.held:
        tether = (sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), str(int(request.at_holders_death)))
        command = (*tether, *command)
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        with request.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**passed_on, **request.environment},
                cwd=request.folder,
                start_new_session=True,
            )
    except OSError as error:
        raise ProcessFailed(f"{request.name} cannot be started: {error}") from None
    _children[child.pid] = child
    return Running(request.name, child.pid, _born(child.pid) or "", str(request.log))


def _born(pid: int) -> str | None:
    """When the process with this id began, None where there is none or it is a zombie."""
    if _HAS_PROC:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, moment = listed.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else moment.strip()


def alive(process: Running) -> bool:
    """Whether this very process still runs."""
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        return False
    return _born(process.pid) == process.born != ""


def send(process: Running, number: signal.Signals) -> bool:
    """Sends a signal to its whole group, if it is ours.

    Returns:
        False when it no longer runs.
    """
    if not alive(process):
        return False
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def stop(processes: Sequence[Running], grace_s: float = 10.0) -> list[str]:
    """Ends them together: SIGTERM, then SIGKILL for those that are still there after `grace_s` seconds.

    Returns:
        The names of those that had to be killed. Calling it again does nothing.
    """
    asked = [process for process in processes if send(process, signal.SIGTERM)]
    until = time.monotonic() + grace_s
    while (left := [process for process in asked if _group_alive(process)]) and time.monotonic() < until:
        time.sleep(POLL_S)
    for process in left:
        _kill_group(process)
    for process in processes:
        child = _children.pop(process.pid, None)
        if child is not None:
            child.wait()
    return [process.name for process in left]


def _group_alive(process: Running) -> bool:
    if alive(process):
        return True
    child = _children.get(process.pid)
    if child is not None:
        child.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _kill_group(process: Running) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def tail(log: str | Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    path = Path(log)
    if not path.is_file():
        return "(no log)"
    text = path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(line[:400] for line in text) or "(empty log)"
