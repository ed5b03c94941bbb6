"""One more process of a function, beside the stack's own, behind gates where it can be killed or held.

It stands for another instance: what is killed here is asked of the stack's own process again, as a load balancer would.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import TracebackType

from emulators.appliers import services
from emulators.capture import ROOT
from emulators.processes import Running, ports, ready, start
from emulators.processes.control import kill, stop
from emulators.stack import Stack
from layers.declarations.settings import EMULATOR_HOSTS
from tests.privacy.gate import Gate, Trap
from tests.privacy.grip import Grip

GATED = ("firestore", "bigtable", "pubsub")
READY_S = 90.0


class Lane:
    """Use it with `with`: opens the gates and starts the process; ends it at the end.

    Args:
        folder: the stack's. number: unique for the function.
    """

    def __init__(self, stack: Stack, folder: Path, function: str, number: int) -> None:
        self._stack, self._folder, self._function, self._number = stack, folder, function, number
        self._exits = contextlib.ExitStack()
        self._running: Running | None = None
        self.trap, self.grip = Trap(), Grip()

    def __enter__(self) -> Lane:
        with self._exits:
            gates = {
                name: self._exits.enter_context(
                    Gate(name, self._stack.hosts[EMULATOR_HOSTS[name]], self.trap, self._heard)
                )
                for name in GATED
            }
            self._hosts = {EMULATOR_HOSTS[name]: gate.address for name, gate in gates.items()}
            (self._port,) = ports.free_ports(1)
            self._exits.callback(ports.give_back, [self._port])
            self._exits.callback(self._end)
            self.serve()
            self._exits = self._exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exits.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _heard(self, method: str, request: bytes, answer: bytes) -> None:
        self.grip.hears(method, request, answer)

    def serve(self) -> None:
        """Starts the process, and waits until it answers."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """The process lives no longer than the thread that calls this."""
        self.grip = Grip()
        service = self._stack.wiring.service(self._function)
        name = f"{self._function}-lane-{self._number}"
        folder = services.unpack(ROOT / service.archive, self._folder / "functions")
        home = self._folder / "functions" / "home" / name
        home.mkdir(parents=True, exist_ok=True)
        environment = {**self._stack.environment(self._function), **self._hosts, "PORT": str(self._port)}
        # Beside the stack's own, where the dump reads it.
        log = self._stack.log_file(self._function).with_name(f"{name}.log")
        self._running = start(services.start_of(service, folder, home.resolve(), environment, log, held=True))

    def wait(self) -> None:
        """Until it answers."""
        assert self._running is not None
        ready.wait(self._running, lambda: ready.answers(self._port, services.READY_PATH, (404,)), READY_S)

    def kill(self) -> None:
        """SIGKILL to all its processes; returns when they are gone, and the stores have answered what they asked."""
        assert self._running is not None
        kill([self._running])
        self._running = None
        self.trap.release()
        assert self.trap.quiet(), "a store does not answer"

    def _end(self) -> None:
        self.trap.release()
        if self._running is not None:
            stop([self._running])
        self._running = None
