"""Every HTTP case at both doors: the answers, the end of the connection, and what was stored."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fuzz.cases import Case, Told, as_ids, cases
from tests.fuzz.door import Door
from tests.fuzz.effort import LONG
from tests.fuzz.wire import PROBE, Answer, Connection

pytestmark = pytest.mark.emulators

CASES = cases()
QUICK, SLOW = [case for case in CASES if not case.slow], [case for case in CASES if case.slow]


def play(door: Door, told: Told) -> list[Answer]:
    """The answers; fails where the connection does not end as the case says."""
    case = told.case
    with Connection(door.port) as connection:
        if case.waits:
            for number, piece in enumerate(told.pieces()):
                connection.read_until(number)
                connection.send([piece])
        else:
            connection.send(told.pieces(), case.pause_ms / 1000)
        if case.finish:
            connection.finish()
        if case.ends == "left":
            return []
        if case.ends == "closed":
            answers = connection.read_to_the_end()
            assert connection.closed
            return answers
        answers = connection.read_until(len(case.answers))
        assert not connection.closed
        connection.send([PROBE])
        after = connection.read_until(len(answers) + 1)
        assert [answer.status for answer in after[len(answers) :]] == [404], "the door lost count of the requests"
        assert after[-1].problem["type"].endswith("/no-such-path")
        return answers


def judge(door: Door, told: Told, answers: list[Answer]) -> None:
    case = told.case
    assert [answer.status for answer in answers] == case.answers
    if case.problem:
        assert answers[-1].problem["type"].rpartition("/")[2] == case.problem
    for answer in answers:
        for secret in ("jane", *told.customers.values()):
            assert secret.encode() not in answer.body
    for name, customer in told.customers.items():
        lines = list(door.stored(customer).values())
        if case.ends != "left":
            assert len(lines) == (name in case.stored), f"stored of {name!r}: {lines}"
        for line in lines:
            assert line.endswith(b',"event":' + told.events[name] + b"}")


@pytest.mark.parametrize("case", QUICK, ids=as_ids)
def test_case(door: Door, case: Case) -> None:
    told, logged = Told(case), len(door.log())
    judge(door, told, play(door, told))
    said = door.log()[logged:]
    for never in ("Traceback", '"ERROR"', "jane", *told.customers.values()):
        assert never not in said


@pytest.mark.skipif(not LONG, reason="takes as long as the door's patience")
@pytest.mark.timeout(600)
def test_who_is_slow_is_ended_and_holds_up_nobody(door: Door) -> None:
    """All of them, and a hundred idlers, at once; meanwhile others are served."""
    good = Case(name="good", send=["<request>"], answers=[204], stored=[""])
    idlers = [Connection(door.port) for _ in range(100)]
    with ThreadPoolExecutor(len(SLOW)) as pool:
        slow = [Told(case) for case in SLOW]
        playing = [pool.submit(play, door, told) for told in slow]
        served = 0
        while not all(future.done() for future in playing):
            told = Told(good)
            judge(door, told, play(door, told))
            served += 1
            time.sleep(0.1)
    assert served > len(SLOW)
    for told, future in zip(slow, playing, strict=True):
        judge(door, told, future.result())
    for idler in idlers:
        with idler:
            assert [answer.status for answer in idler.read_to_the_end()] == [408]
