"""The commands of `python -m emulators`."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from emulators import fidelity, graph, welcome
from emulators.appliers.rest import Refused
from emulators.appliers.scheduler import NoAnswer, UnknownJob
from emulators.capture import ROOT, CaptureFailed, capture
from emulators.plan import UnknownResource, lines, plan
from emulators.processes import ProcessFailed
from emulators.processes.sdk import NotInstalled
from emulators.stack import NotUp, Stack, bring_down
from emulators.state import Busy
from emulators.wiring import UnknownFunction

EXPLAINED = (
    *(
        Busy,
        CaptureFailed,
        NoAnswer,
        NotInstalled,
        NotUp,
        ProcessFailed,
        Refused,
        UnknownFunction,
        UnknownJob,
        UnknownResource,
    ),
    *(graph.InvalidGraph, fidelity.NoMarkers),
)
"""Errors whose message says all; anything else is a fault of ours and keeps its traceback."""


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(
        prog="python -m emulators",
        description="The laptop stack: what the Pulumi program asks for, applied to emulators.",
    )
    root.add_argument(
        "--folder", type=Path, default=ROOT / ".local", help="where the stack's state lies (default: .local)"
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], help_: str, more: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}".strip())
        made.set_defaults(run=run)
        # After the command too, without losing what stands before it.
        made.add_argument("--folder", type=Path, default=argparse.SUPPRESS, help="where the stack's state lies")
        return made

    up = add("up", _up, "start the stack and leave it up", "A second call starts only what is missing or has changed.")
    _graph_options(up)
    add("down", _down, "stop the stack", "What the emulators held is lost. Nothing to stop is no error.")
    planned = add("plan", _plan, "print what would be made of each resource", "Starts nothing.")
    _graph_options(planned)
    planned.add_argument("--fidelity", action="store_true", help="print the README's fidelity table instead")
    planned.add_argument(
        "--write", type=Path, metavar="FILE", help="write the fidelity table between its markers in FILE"
    )
    add("status", _status, "print each process and whether it runs", "Fails when something does not.")
    fire = add("fire", _fire, "call a Scheduler job's function, as Scheduler would")
    fire.add_argument("job", metavar="JOB", help="the job's or its function's name, e.g. retention_purge")
    fire.add_argument("--at", type=_moment, metavar="RFC3339", help="when the job is due (default: now)")
    logs = add("logs", _logs, "print a process's log")
    logs.add_argument("name", metavar="FUNCTION", help="a function, or an emulator")
    logs.add_argument("-f", "--follow", action="store_true", help="keep printing what is added, until Ctrl-C")
    return root


def _graph_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("--stack", default="dev", help="whose Pulumi.<stack>.yaml is read (default: dev)")
    made.add_argument("--graph", type=Path, metavar="FILE", help="use this captured graph instead of capturing one")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no RFC 3339 time, such as 2026-11-22T02:15:00Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write 2026-11-22T02:15:00Z")
    return moment


def _up(options: argparse.Namespace) -> int:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {line}", flush=True)

    stack = Stack.up(options.folder, stack=options.stack, graph=options.graph, held=False, say=say)
    found = stack.summary
    say(
        f"up: {found['applied']} of {found['resources']} resources applied, {found['not_emulated']} not emulated "
        "(`python -m emulators plan` says why)"
    )
    print(welcome.text(stack.wiring, datetime.now(UTC)))
    where = "" if options.folder == ROOT / ".local" else f" --folder {options.folder}"
    print("stop it with " + (f"`python -m emulators down{where}`" if where else "`make down`"))
    return 0


def _down(options: argparse.Namespace) -> int:
    for name in bring_down(options.folder):
        print(f"{name} did not stop when asked and was killed")
    print("down")
    return 0


def _plan(options: argparse.Namespace) -> int:
    if options.write:
        if not options.write.is_file():
            raise fidelity.NoMarkers(f"there is no {options.write}: the table goes between the markers of a text.")
        options.write.write_text(fidelity.written_into(options.write.read_text()))
        print(f"the fidelity table in {options.write} is current")
        return 0
    if options.fidelity:
        print(fidelity.table(), end="")
        return 0
    file = options.graph or options.folder / "graph.json"
    if options.graph is None:
        capture(options.stack, file)
    made = plan(graph.read(file))
    print("\n".join(lines(made)))
    print(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in made.summary().items()))
    return 0


def _status(options: argparse.Namespace) -> int:
    stack = Stack.attach(options.folder)
    running = stack.processes()
    for name, pid in running.items():
        where = stack.address(name) if name in stack.functions else ""
        print(f"{'up  ' if pid else 'DOWN'} {name:<16} {pid or '-':>7}  {where}".rstrip())
    for name, value in stack.hosts.items():
        print(f"export {name}={value}")
    return 0 if all(running.values()) else 1


def _fire(options: argparse.Namespace) -> int:
    status, body = Stack.attach(options.folder).fire(options.job, options.at)
    print(status)
    print(body)
    return 0 if 200 <= status < 300 else 1


def _logs(options: argparse.Namespace) -> int:
    file = options.folder / "logs" / f"{options.name.replace('-', '_')}.log"
    if not file.is_file():
        there = sorted(path.stem for path in file.parent.glob("*.log"))
        raise NotUp(f"there is no log of {options.name!r}; there are {', '.join(there) or 'none'}.")
    if options.follow:
        return subprocess.run(["tail", "-n", "+1", "-F", str(file)], check=False).returncode
    print(file.read_text(errors="replace"), end="")
    return 0


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    # So that a stopped command stops what it has begun, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.run(options))
    except EXPLAINED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what this command had started is stopped", file=sys.stderr)
        return 130
