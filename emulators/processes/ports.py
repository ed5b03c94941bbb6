"""Ports chosen by the system, so that several stacks run side by side.

A port that is free now may be anybody's a second later, when a JVM has at last started: every outgoing connection takes
one too. On Linux each port is therefore kept bound, without listening, for as long as this process lives; a server that
sets SO_REUSEADDR, as all of ours do, may still listen on it, and nobody else is given it.
"""

from __future__ import annotations

import socket
import sys

HOST = "127.0.0.1"

_kept: dict[int, socket.socket] = {}


def free_ports(count: int) -> list[int]:
    """As many different ports on which nobody listens; kept for this process until `give_back`."""
    return [_take(0) for _ in range(count)]


def keep(port: int) -> None:
    """Keeps a port that an earlier process of ours chose, if it is still to be had."""
    try:
        _take(port)
    except OSError:
        return


def give_back(ports: list[int]) -> None:
    for port in ports:
        kept = _kept.pop(port, None)
        if kept is not None:
            kept.close()


def _take(port: int) -> int:
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except OSError:
        taken.close()
        raise
    chosen = int(taken.getsockname()[1])
    if sys.platform.startswith("linux"):
        _kept[chosen] = taken
    else:
        taken.close()
    return chosen
