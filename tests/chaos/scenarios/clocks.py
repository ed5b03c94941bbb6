"""A clock that jumps under load."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from layers.privacy.signature import decode_key, sign
from tests.chaos.scenario import Run, scenario

SHIM = Path(__file__).parents[1] / "clock_shim"
MINUTE_S, DAY_S = 60, 86_400
SKEW_S = 300
"""How far a sender's clock may run ahead of ours, and how old or new a signature may be."""


class Clock:
    """The wall clock of ingest; `clock_shim` reads the file at every look at the clock."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(SHIM), "GONDOLA_CHAOS_CLOCK": str(self._file)}

    def jump(self, offset_s: float) -> None:
        """Sets how far it is ahead of the true time; written in place, since the process has it mapped."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("d", offset_s))
        self.offset_s = offset_s


@contextlib.contextmanager
def jumping(run: Run) -> Iterator[Clock]:
    """Ingest under a clock that can jump, until the block ends."""
    clock = Clock(run.site.logs / "clock")
    run.site.ask_to_stop("ingest")
    run.site.serve("ingest", clock.environment)
    try:
        yield clock
    finally:
        clock.jump(0)
        run.site.ask_to_stop("ingest")
        run.site.serve("ingest")


def _signed(run: Run, offset_s: float) -> int:
    """The status of a request that is signed at so many seconds from now."""
    batch = run.wares.batch(1)
    key = decode_key(run.site.signing_key)
    headers = sign(key, f"message-{batch.ids[0]}", int(time.time() + offset_s), batch.body())
    return run.at_once([batch], allowed=(204, 400, 401, 503), headers=headers)[0]


@scenario("clock-jumps")
def clock_jumps(run: Run) -> None:
    """Ingest's clock jumps forward and backward under load, by minutes and by a day. Groups are still written in time,
    as their timers rest on the monotonic clock. A clock that is late by more than the skew refuses events, as from the
    future, and takes them when it is right again; signatures hold exactly where they are within five minutes of it."""
    jumps = [2 * MINUTE_S, -2 * MINUTE_S, DAY_S, -DAY_S] * run.of(4, 1)
    run.chance.shuffle(jumps)
    run.told.append(", ".join(f"{jump:+d} s" for jump in jumps))
    with jumping(run) as clock, run.unharmed("ingest"), run.load(allowed=(204, 400, 503)):
        for jump in [*jumps, 0]:
            run.more(30)
            clock.jump(jump)
            run.say(f"the clock is off by {jump:+d} s; {len(run.ledger.acknowledged)} acknowledged")
            if jump < -SKEW_S:
                run.more_answers(400, 20)
            else:
                run.more(60)
            expected = 204 if abs(jump) < SKEW_S else 401
            run.check(_signed(run, 0) == expected, f"a signature of now, at {jump:+d} s: not {expected}")
            # Its own time is right, and its event is as much ahead of the clock as before.
            expected = 400 if jump < -SKEW_S else 204
            run.check(
                _signed(run, jump) == expected, f"a signature of the clock's time, at {jump:+d} s: not {expected}"
            )
            clock.jump(0)
    reasons = {reason.partition(";")[0] for reason in run.ledger.refused_once.values()}
    run.check(reasons == {"in the future"}, f"refused for another reason: {reasons}")
