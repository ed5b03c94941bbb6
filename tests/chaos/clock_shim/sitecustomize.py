"""Shifts the wall clock of a process by what a file says: seconds as a double, read anew at every look at the clock.

Python runs a module of this name when it starts, if its folder is in PYTHONPATH; so the function's archive stays as it
is built. Shifted are `time.time`, `time.time_ns` and `datetime.now`; not the monotonic clock, which does not jump on a
real machine either. Only for tests, only with GONDOLA_CHAOS_CLOCK in the environment.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import mmap
import os
import struct
import sys
import time
from typing import Any

_FILE = os.environ.get("GONDOLA_CHAOS_CLOCK")


def _shift(file: str) -> None:
    with open(file, "rb") as opened:  # noqa: PTH123  (pathlib costs every start of the process 10 ms)
        page = mmap.mmap(opened.fileno(), 8, prot=mmap.PROT_READ)
    real_time, real_time_ns, real_now = time.time, time.time_ns, datetime.datetime.now

    def offset() -> float:
        return float(struct.unpack_from("d", page)[0])

    def now(_cls: type, tz: Any = None) -> datetime.datetime:
        return real_now(tz) + datetime.timedelta(seconds=offset())

    def utcnow(_cls: type) -> datetime.datetime:
        return now(_cls, datetime.UTC).replace(tzinfo=None)

    def shifted() -> float:
        # gRPC reckons a call's deadline here and hands it to its core, which has the true clock: on a machine whose
        # clock jumps both jump, so gRPC is shown the true time.
        asks = sys._getframe(1).f_globals.get("__name__", "")
        return real_time() if asks.startswith("grpc") else real_time() + offset()

    time.time = shifted
    time.time_ns = lambda: real_time_ns() + int(offset() * 1e9)
    # A subclass in the module's place would not do: msgspec takes times for times by their very class. So the methods
    # of the class itself are exchanged, which takes a way around its being written in C.
    members: Any = gc.get_referents(datetime.datetime.__dict__)[0]
    members["now"], members["utcnow"] = classmethod(now), classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


if _FILE:
    _shift(_FILE)
