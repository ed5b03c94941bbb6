"""Cores and process trees: who runs where, and what a tree has cost so far. Linux only.

The server is measured by the CPU time of all its processes, not by the clock: what else runs on this machine then adds
noise to the throughput that is seen and hardly any to the cost that is reported.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path


class TooFewCores(RuntimeError):
    """The server under load and what loads it must not share a core."""


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server, another for load and backends, whatever else the machine has."""

    server: int
    load: int

    @classmethod
    def of_machine(cls) -> Cores:
        """Raises:
        TooFewCores: there is only one.
        """
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise TooFewCores(
                "this process may use one core only, so a server and its load would take each other's time and no "
                "figure would mean anything; run the bench where it may use two cores."
            )
        return cls(allowed[0], allowed[1])


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the command's name: state, parent, group, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tree(root: int) -> list[int]:
    """A process and everything it started that still runs, the root first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            fields = _stat(int(folder.name))
            if fields is not None:
                children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [root]
    for pid in found:
        found.extend(sorted(children.get(pid, ())))
    return found


def _clock(pid: int) -> int:
    """The clock that counts another process's CPU time: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of the kernel's
    <linux/posix-timers_types.h>. In nanoseconds, where /proc counts in steps of 10 ms, which is 5 % of a small part.
    """
    return (~pid << 3) | 2


def cpu_s(pids: list[int]) -> float:
    """User and system seconds that these processes have used, their ended threads included."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += time.clock_gettime(_clock(pid))
    return total


def pin(pids: list[int], core: int) -> None:
    """Every thread of these processes runs on this core from now on, and so does whatever they start."""
    for pid in pids:
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})
        except (FileNotFoundError, ProcessLookupError):
            continue


def memory_mb(pids: list[int]) -> tuple[float, float]:
    """Megabytes of these processes: their proportional share, in which a page that several use counts once, and what is
    resident of each, in which it counts for each.
    """
    pss = rss = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
        pss, rss = pss + found["Pss"], rss + found["Rss"]
    return pss / 1024, rss / 1024


class Neighbours:
    """How much of two cores everybody else has used since this was made: on a busy machine a cost is still near, what a
    clock saw is not.
    """

    def __init__(self, cores: Cores) -> None:
        self._cores = (cores.server, cores.load)
        self._began, self._busy, self._own = time.monotonic(), self._busy_s(), self._own_s()

    def share(self) -> float:
        """From 0 to 1. Ask when every process of ours has ended: only then is its time known to be ours."""
        theirs = self._busy_s() - self._busy - (self._own_s() - self._own)
        return max(0.0, theirs / (len(self._cores) * (time.monotonic() - self._began)))

    def _busy_s(self) -> float:
        ticks = 0
        for line in Path("/proc/stat").read_text().splitlines():
            name, *fields = line.split()
            if name in {f"cpu{core}" for core in self._cores}:
                user, nice, system, _idle, _waiting, hard, soft, stolen = map(int, fields[:8])
                ticks += user + nice + system + hard + soft + stolen
        return ticks / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own_s() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)
