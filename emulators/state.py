"""What is up, written down: `stack.json` in the stack's folder, so that another command finds the processes again.

Written whole and renamed into place after each process that starts: whoever is killed at any line leaves no process
that `down` would not find. Holds no secret.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from emulators.processes import Running
from emulators.processes.servers import Started

FILE = "stack.json"


class Busy(RuntimeError):
    """Another command works on the same folder."""


@dataclass(slots=True)
class ServiceState:
    """A function's process. `fingerprint` changes with its code or environment."""

    process: Running
    port: int
    fingerprint: str


@dataclass(slots=True)
class State:
    """Emulators and functions by name.

    Attributes:
        held: they end with the process that started them. only: functions that are wanted, all of them where empty.
        idle: ports of the others, at which nobody listens.
    """

    stack: str = "dev"
    held: bool = False
    servers: dict[str, Started] = field(default_factory=dict)
    services: dict[str, ServiceState] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    idle: dict[str, int] = field(default_factory=dict)

    def processes(self) -> list[Running]:
        """Functions first: stopped in this order, none loses a store while it still works."""
        return [each.process for each in self.services.values()] + [each.process for each in self.servers.values()]

    def function_ports(self) -> dict[str, int]:
        return {**self.idle, **{name: service.port for name, service in self.services.items()}}

    def ports(self) -> dict[str, int]:
        """The emulators' ports, by the keys of `EMULATOR_HOSTS`."""
        return {key: port for server in self.servers.values() for key, port in server.ports.items()}


def load(folder: Path) -> State:
    """The state in this folder; an empty one where there is none."""
    file = folder / FILE
    return msgspec.json.decode(file.read_bytes(), type=State) if file.is_file() else State()


def save(folder: Path, state: State) -> None:
    partial = folder / f"{FILE}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
    partial.rename(folder / FILE)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One command at a time works on a folder; the lock ends with its process.

    Raises:
        Busy: another one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another command is working on the stack in {folder}; wait for it to end.") from None
        yield
