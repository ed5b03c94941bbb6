"""The laptop stack for programs: the demo and the tests hold one, the command line attaches to one.

Several stacks run side by side, each in a folder of its own. Does not own what is in a stack (the graph) nor how it
comes up (`raising`).
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from emulators import graph as graphs
from emulators.appliers import scheduler
from emulators.plan import plan
from emulators.processes import Running, alive, stop
from emulators.processes.control import kill, send
from emulators.processes.ports import give_back
from emulators.raising import GRAPH, LOGS, SECRETS, UNPACKED, Raiser, Say
from emulators.state import FILE, State, load, locked, save
from emulators.wiring import Wiring
from layers.declarations import SecretKind


class NotUp(RuntimeError):
    """There is no stack in this folder, or it is up already for somebody else."""


def _silent(_line: str) -> None:
    return


class Stack:
    """A stack that is up.

    As a context manager it is stopped at the end of the block. A stack that was brought up with `held` also ends when
    the process that holds it does, be it by `kill -9`.
    """

    def __init__(self, folder: Path, state: State, wiring: Wiring, say: Say) -> None:
        self.folder = folder
        self._state = state
        self._wiring = wiring
        self._say = say

    # -- coming and going

    @classmethod
    def up(
        cls,
        folder: Path,
        *,
        stack: str = "dev",
        graph: Path | None = None,
        held: bool = True,
        only: Collection[str] = (),
        say: Callable[[str], None] = _silent,
    ) -> Stack:
        """Brings the stack in this folder up, or what is missing of it.

        Args:
            stack: whose `Pulumi.<stack>.yaml` is captured. graph: a graph captured before, used instead.
            held: it ends with this process. only: functions that are started, all of them where empty; nothing is
                pushed to the others, so what they would do with a message is not done. say: told of progress, from any
                thread.

        Raises:
            NotUp: another process holds a stack in this folder. UnknownFunction: there is none of a name in `only`. And
                those of `Raiser.everything`.
        """
        with locked(folder):
            state = load(folder)
            running = [process for process in state.processes() if alive(process)]
            if running and (held or state.held):
                raise NotUp(
                    f"a stack is already up in {folder}, so its data would be mixed with yours; stop it with "
                    f"`python -m emulators down --folder {folder}`, or take another folder."
                )
            if not running:
                # Emulators are empty again: neither an old key nor an old log belongs to what comes now.
                (folder / SECRETS).unlink(missing_ok=True)
                shutil.rmtree(folder / LOGS, ignore_errors=True)
                state = State()
            state.stack, state.held, state.only = stack, held, tuple(sorted(only))
            return cls(folder, state, Raiser(folder, state, say).everything(graph), say)

    @classmethod
    def attach(cls, folder: Path) -> Stack:
        """The stack that is up in this folder.

        Raises:
            NotUp: there is none.
        """
        state = load(folder)
        if not any(alive(process) for process in state.processes()) or not (folder / SECRETS).is_file():
            raise NotUp(f"no stack is up in {folder}; start it with `python -m emulators up`.")
        made = plan(graphs.read(folder / GRAPH))
        wiring = Wiring.of(made, state.function_ports(), state.ports(), json.loads((folder / SECRETS).read_text()))
        return cls(folder, state, wiring, _silent)

    def refresh(self, graph: Path | None = None) -> None:
        """Starts what is missing and what has changed since it came up; the rest is not touched.

        Raises:
            As `Raiser.everything`.
        """
        with locked(self.folder):
            self._wiring = Raiser(self.folder, self._state, self._say).everything(graph)

    def down(self) -> list[str]:
        """Stops every process; calling it again does nothing.

        Returns:
            The names of those that had to be killed.
        """
        return bring_down(self.folder)

    def __enter__(self) -> Stack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.down()

    # -- what is where

    @property
    def hosts(self) -> dict[str, str]:
        """The environment values of the emulators, by the names in `layers.declarations.settings.EMULATOR_HOSTS`."""
        return self._wiring.hosts

    @property
    def wiring(self) -> Wiring:
        return self._wiring

    @property
    def summary(self) -> dict[str, int]:
        """How many resources the graph has, how many are applied, how many not emulated."""
        return self._wiring.plan.summary()

    @property
    def functions(self) -> tuple[str, ...]:
        return tuple(sorted(self._wiring.services))

    def address(self, function: str) -> str:
        """`http://127.0.0.1:PORT`, without a trailing slash."""
        return self._wiring.address(function)

    def secret(self, kind: SecretKind | str, retailer: str) -> str:
        """A retailer's secret, base64, as the functions see it."""
        return self._wiring.secret(kind, retailer)

    def environment(self, function: str) -> dict[str, str]:
        """What the function's process sees."""
        return self._wiring.environment(function)

    def log_file(self, function: str) -> Path:
        return self.folder / LOGS / f"{self._wiring.service(function).function}.log"

    def log(self, function: str) -> str:
        """Everything the function has written since the stack came up."""
        file = self.log_file(function)
        return file.read_text(errors="replace") if file.is_file() else ""

    def processes(self) -> dict[str, int]:
        """The id of each process that runs, by name; 0 for one that does not."""
        return {process.name: process.pid if alive(process) else 0 for process in self._state.processes()}

    # -- what happens to it

    def fire(self, job: str, at: datetime | None = None) -> tuple[int, str]:
        """Calls a Scheduler job's function as Scheduler would.

        Args:
            at: when the job is due, now by default; functions with a clock take theirs from it.

        Returns:
            Status and body of its answer.
        """
        return scheduler.fire(scheduler.find(self._wiring.jobs, job), at or datetime.now(UTC))

    def kill(self, function: str, number: signal.Signals = signal.SIGKILL) -> bool:
        """Sends a signal to all processes of a function; nothing starts it again but `restart`.

        Returns:
            False when it did not run.
        """
        process = self._process(function)
        return kill([process]) if number is signal.SIGKILL else send(process, number)

    def restart(self, function: str) -> None:
        """Stops a function, if it still runs, and starts it again at the same address.

        Raises:
            ProcessFailed: it does not become ready.
        """
        process = self._process(function)
        stop([process])
        raiser = Raiser(self.folder, self._state, self._say)
        started = raiser.serve(self._wiring, process.name)
        if started is not None:
            raiser.until_ready(self._wiring, started)

    def _process(self, function: str) -> Running:
        return self._state.services[self._wiring.service(function).function].process


def bring_down(folder: Path) -> list[str]:
    """Stops whatever runs of the stack in this folder and forgets its secrets; nothing to do is no error.

    Returns:
        The names of those that had to be killed.
    """
    if not (folder / FILE).is_file():
        return []
    with locked(folder):
        state = load(folder)
        killed = stop(state.processes())
        give_back([*state.ports().values(), *state.function_ports().values()])
        save(folder, State(stack=state.stack))
        (folder / SECRETS).unlink(missing_ok=True)
        shutil.rmtree(folder / UNPACKED, ignore_errors=True)
        return killed
