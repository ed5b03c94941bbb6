"""What a retailer shows over time: every change recorded, nothing lost, and what a running shopper stays in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.tree.programme import (
    KEPT_STEPS,
    Aired,
    Programme,
    Refused,
    pause,
    publish,
    read,
    resume,
    rollback,
    schedule,
    stop,
    told,
    unschedule,
    written,
)

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
NONE = Programme(retailer="demo")


def at(minutes: int) -> datetime:
    return T0 + timedelta(minutes=minutes)


def versions(programme: Programme, minutes: int) -> tuple[str, bool]:
    current = programme.now(at(minutes))
    return (current.version if current else "", programme.off)


def test_a_rollback_shows_what_was_shown_before_and_a_second_one_comes_back() -> None:
    two = publish(publish(NONE, "t", "v1", at(0), "ann", "migrate"), "t", "v2", at(5), "ann", "finish")
    assert versions(two, 6) == ("v2", False)
    back = rollback(two, at(7), "bob")
    assert versions(back, 7) == ("v1", False)
    assert back.now(at(7)) == Aired(tree="t", version="v1", since=at(7), running="migrate"), (
        "nobody stays in what is broken"
    )
    assert versions(rollback(back, at(8), "bob"), 8) == ("v2", False)


def test_nothing_before_nothing_to_resume_no_past() -> None:
    one = publish(NONE, "t", "v1", at(0), "ann", "migrate")
    with pytest.raises(Refused, match="nothing else was shown"):
        rollback(one, at(1), "ann")
    with pytest.raises(Refused, match="nothing was ever published"):
        resume(NONE, at(0), "ann")
    with pytest.raises(Refused, match="is past"):
        schedule(one, "t", "v2", at(1), at(1), "ann", "migrate")


def test_a_pause_keeps_what_is_to_come_and_a_stop_does_not() -> None:
    one = publish(NONE, "t", "v1", at(0), "ann", "migrate")
    coming = schedule(one, "t", "v2", at(60), at(1), "ann", "finish")
    assert versions(pause(coming, at(2), "ann"), 61) == ("v2", True)
    stopped = stop(coming, at(2), "ann")
    assert versions(stopped, 61) == ("v1", True)
    assert versions(resume(stopped, at(3), "ann"), 61) == ("v1", False)
    assert versions(unschedule(coming, at(2), "ann"), 61) == ("v1", False)


def test_it_reads_as_people_need_it() -> None:
    one = publish(NONE, "grocery", "v1", at(0), "ann", "migrate")
    text = told(stop(schedule(one, "grocery", "v2", at(60), at(1), "ann", "finish"), at(2), "bob"), at(3))
    assert text.splitlines()[0] == "demo shows its default to everybody; grocery v1 is off"
    assert "2026-11-22 10:02:00 UTC  stop, by bob" in text
    assert told(NONE, at(0)) == "demo shows nothing: no tree was published"
    assert "to come: grocery v2 from 2026-11-22 11:00:00 UTC" in told(
        schedule(one, "grocery", "v2", at(60), at(1), "ann", "finish"), at(3)
    )


def test_a_pointer_from_before_there_were_programmes_is_read() -> None:
    programme = read("demo", {"retailer": "demo", "tree": "t", "version": "v1"})
    assert versions(programme, 0) == ("v1", False)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("publish", "schedule", "unschedule", "pause", "resume", "stop", "rollback")),
        st.integers(1, 5),
        st.sampled_from(("v1", "v2", "v3")),
    ),
    max_size=40,
)


@given(STEPS)
def test_any_course_of_changes(steps: list[tuple[str, int, str]]) -> None:
    """What is stored comes back the same; saying the same again changes nothing; at most one version is shown."""
    programme, now = NONE, 0
    for what, minutes, version in steps:
        now += minutes
        verbs: dict[str, Any] = {
            "publish": lambda p, v=version, n=now: publish(p, "t", v, at(n), "ann", "finish"),
            "schedule": lambda p, v=version, n=now: schedule(p, "t", v, at(n + 3), at(n), "ann", "migrate"),
            "unschedule": lambda p, n=now: unschedule(p, at(n), "ann"),
            "pause": lambda p, n=now: pause(p, at(n), "ann"),
            "resume": lambda p, n=now: resume(p, at(n), "ann"),
            "stop": lambda p, n=now: stop(p, at(n), "ann"),
            "rollback": lambda p, n=now: rollback(p, at(n), "ann"),
        }
        try:
            after = verbs[what](programme)
        except Refused:
            assert what in ("resume", "rollback")
            continue
        if what != "rollback":
            assert verbs[what](after) == after
        assert read("demo", written(after)) == after
        assert len({one.since for one in after.aired}) == len(after.aired)
        assert len(after.steps) <= KEPT_STEPS
        assert after.off or what not in ("stop", "pause")
        programme = after
