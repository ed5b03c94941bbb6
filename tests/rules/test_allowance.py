"""A retailer's allowance over any interval, whatever is asked when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functions.ingest.allowance import BURST_S, Allowance

ASKED = st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=60)


@given(per_second=st.integers(1, 100), asked=ASKED)
def test_no_interval_holds_more_than_its_allowance_a_burst_and_one_request(
    per_second: int, asked: list[tuple[float, int]]
) -> None:
    allowance, now, taken = Allowance(per_second), 1000.0, list[tuple[float, int]]()
    for pause, events in asked:
        now += pause
        if not allowance.spend(events, now):
            taken.append((now, events))
    for first, (start, _) in enumerate(taken):
        for last in range(first, len(taken)):
            end, largest = taken[last][0], taken[last][1]
            total = sum(events for _, events in taken[first : last + 1])
            assert total <= per_second * (end - start + BURST_S) + largest + 1e-6


@given(per_second=st.integers(1, 100), asked=ASKED)
def test_whoever_waits_as_told_is_taken(per_second: int, asked: list[tuple[float, int]]) -> None:
    allowance, now = Allowance(per_second), 0.0
    for pause, events in asked:
        now += pause
        wait = allowance.spend(events, now)
        if wait:
            now += wait + 1e-6
            assert allowance.spend(events, now) == 0


def test_within_the_allowance_nobody_waits_and_without_one_nobody_ever_does() -> None:
    steady, free = Allowance(10), Allowance(None)
    for number in range(200):
        assert steady.spend(1, number / 10) == 0
        assert free.spend(1_000_000, 0) == 0
    assert steady.spend(100, 20) == 0
    assert steady.spend(1, 20) > 8
