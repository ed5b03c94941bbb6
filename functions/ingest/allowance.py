"""How many events a second an instance takes of one retailer, so that one retailer's storm is not every retailer's.

The generic cell rate algorithm (ITU-T I.371): one number a retailer, exact over any interval, and nothing to refill.
Knows no HTTP, and no wall clock: give it a monotonic one, since a clock that is set back would close the door until it
catches up.
"""

from __future__ import annotations

BURST_S = 1.0
"""A retailer may send a second's allowance at once."""


class Allowance:
    """Of one retailer in one instance.

    Args:
        per_second: None for no limit.
    """

    __slots__ = ("_per_second", "_spent_until")

    def __init__(self, per_second: int | None) -> None:
        self._per_second = per_second
        self._spent_until = float("-inf")

    def spend(self, events: int, now_s: float) -> float:
        """0 if they may be taken, and then they are spent; else in how many seconds they may, and nothing is spent.

        A request is never cut in two: one that is larger than what is left is taken, and the next waits longer.
        """
        if self._per_second is None:
            return 0.0
        begins = max(self._spent_until, now_s)
        wait = begins - now_s - BURST_S
        if wait >= 0:
            # Rounding may leave exactly nothing to wait for.
            return max(wait, 1e-9)
        self._spent_until = begins + events / self._per_second
        return 0.0
