"""When a server may be used. Each check asks the server itself; nothing here waits for a fixed time."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable

from emulators.processes.control import POLL_S, ProcessFailed, Running, alive, tail
from emulators.processes.ports import HOST

Check = Callable[[], bool]


def accepts(port: int) -> bool:
    """A TCP connection is taken."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def answers(port: int, path: str, statuses: tuple[int, ...] = (200,), timeout_s: float = 10.0) -> bool:
    """`GET path` gives one of the statuses. A function may take seconds over its first answer: it makes its clients."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in statuses
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait(process: Running, check: Check, timeout_s: float = 60.0) -> None:
    """Returns as soon as the check holds.

    Raises:
        ProcessFailed: the process ended, or the time is over.
    """
    until = time.monotonic() + timeout_s
    while True:
        if not alive(process):
            raise ProcessFailed(
                f"{process.name} stopped while starting. The end of {process.log}:\n{tail(process.log)}"
            )
        if check():
            return
        if time.monotonic() > until:
            raise ProcessFailed(
                f"{process.name} is not ready after {timeout_s:.0f} s. The end of {process.log}:\n{tail(process.log)}"
            )
        time.sleep(POLL_S)
