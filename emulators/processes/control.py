"""Starts, recognises and stops one process. Does not own what it runs nor when it is ready.

A process id alone says nothing: the system gives it to another process later. A process of ours is its id and the
moment it began; only when both match is it stopped.
"""

from __future__ import annotations

import contextlib
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
_AFTER_SIGKILL_S = 10.0
"""A killed process is gone as soon as the kernel has freed its memory."""

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
    """A started process.

    Attributes:
        born: when, in the system's own notation; only ever compared for equality. arguments: those of its command.
    """

    name: str
    pid: int
    born: str
    log: str
    arguments: tuple[str, ...] = ()


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
    return Running(request.name, child.pid, _born(child.pid) or "", str(request.log), request.command[1:])


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
    """Sends a signal to it and to whatever it started, if they are ours.

    Returns:
        False when nothing of it runs.
    """
    return bool(_signal([process], number)[process.pid])


def stop(processes: Sequence[Running], grace_s: float = 10.0) -> list[str]:
    """Ends them together, with what they started: SIGTERM, then SIGKILL for what is still there after the grace.

    Args:
        grace_s: seconds.

    Returns:
        The names of those that had to be killed. Calling it again does nothing.
    """
    late = _wait_until_gone(processes, _signal(processes, signal.SIGTERM), grace_s)
    kill(late)
    return [process.name for process in late]


def kill(processes: Sequence[Running]) -> bool:
    """Ends them at once, with what they started, and returns when their ports are free again.

    Returns:
        False when none of them ran.
    """
    sent = _signal(processes, signal.SIGKILL)
    _wait_until_gone(processes, sent, _AFTER_SIGKILL_S)
    return any(sent.values())


Member = tuple[int, str]
"""A process that one of ours started, or itself: its id, and when it began."""


def _signal(processes: Sequence[Running], number: signal.Signals) -> dict[int, list[Member]]:
    """Signals each and what it started; who that was, by the id of ours."""
    members = _members(processes)
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            if alive(process):
                os.killpg(process.pid, number)
                continue
        for pid, _ in members[process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    return members


def _wait_until_gone(
    processes: Sequence[Running], members: Mapping[int, list[Member]], timeout_s: float
) -> list[Running]:
    """Those of which something is still there when the time is over."""

    def left() -> list[Running]:
        return [p for p in processes if alive(p) or any(_born(pid) == born for pid, born in members[p.pid])]

    until = time.monotonic() + timeout_s
    while (late := left()) and time.monotonic() < until:
        time.sleep(POLL_S)
    for process in processes:
        child = _children.get(process.pid)
        if child is not None and child.poll() is not None:
            del _children[process.pid]
    return late


def _members(processes: Sequence[Running]) -> dict[int, list[Member]]:
    """What runs of each: it and what it started.

    A gunicorn worker outlives a master that was killed. The master's id then still names their process group; but that
    may be another's by now, so only those with the master's own arguments count, among which is its port.
    """
    found: dict[int, list[Member]] = {p.pid: [(p.pid, p.born)] if alive(p) else [] for p in processes}
    # An id that another process has now names no group of ours.
    ours = {process.pid: process for process in processes if found[process.pid] or _born(process.pid) is None}
    for folder in Path("/proc").iterdir() if _HAS_PROC and ours else ():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            leader = ours.get(int(fields[2]))
            if leader is None or fields[0] in "ZX" or int(folder.name) == leader.pid:
                continue
            if found[leader.pid] or _runs(folder, leader.arguments):
                found[leader.pid].append((int(folder.name), fields[19]))
        except OSError:
            continue
    return found


def _runs(folder: Path, arguments: tuple[str, ...]) -> bool:
    words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return bool(arguments) and tuple(words[-len(arguments) :]) == arguments


def tail(log: str | Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    path = Path(log)
    if not path.is_file():
        return "(no log)"
    text = path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(line[:400] for line in text) or "(empty log)"
