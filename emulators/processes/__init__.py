"""Processes of the stack: started, found ready, stopped, and never left behind.

Owns how a process is started (log file, process group, tether to its holder), how it is known to be ready, and that
only a process of ours is ever killed. Knows the five emulators' commands and limits (`servers`), and nothing of the
graph.
"""

from emulators.processes.control import ProcessFailed, Running, Start, alive, start, stop, tail
from emulators.processes.ports import free_ports
from emulators.processes.servers import SERVERS, Server, environment_of, held_servers, start_servers

__all__ = [
    "SERVERS",
    "ProcessFailed",
    "Running",
    "Server",
    "Start",
    "alive",
    "environment_of",
    "free_ports",
    "held_servers",
    "start",
    "start_servers",
    "stop",
    "tail",
]
