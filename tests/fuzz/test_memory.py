"""The same nonsense thousands of times: the door holds no more memory afterwards, and still answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fuzz.cases import Case, Told, cases
from tests.fuzz.door import Door
from tests.fuzz.effort import effort
from tests.fuzz.test_http_cases import judge, play

pytestmark = pytest.mark.emulators

AT_ONCE = 16
ROUNDS = effort(2, 100)
MOST_BYTES = effort(12, 24) * 1024 * 1024
"""More than a heap's ups and downs; a leak of one request's body would be ten times that in the long form."""


@pytest.mark.timeout(1800)
def test_memory_does_not_grow(express_door: Door) -> None:
    quick = [case for case in cases() if not case.slow]

    def one_round() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for case, answers in zip(quick, pool.map(lambda case: play(express_door, Told(case)), quick), strict=True):
                assert [answer.status for answer in answers] == case.answers

    one_round()
    before = express_door.memory()
    for _ in range(ROUNDS):
        one_round()
    grown = express_door.memory() - before
    assert grown < MOST_BYTES, f"{grown / 1e6:.1f} MB more after {ROUNDS * len(quick)} connections"
    told = Told(Case(name="good", send=["<request>"], answers=[204], stored=[""]))
    judge(express_door, told, play(express_door, told))
