"""After the live day: the night's replay, fired as its job does, finds every decision the same."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from emulators.shop.stage import DemoFailed, Stage

UNDER_WAY_S = 60.0
"""How long newer revisions of decisions may take to cool."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Attributes:
    decisions: logged on the day. same, different, excused: of them; `excused` by rule. seconds: of the last run.
    """

    decisions: int
    same: int
    different: int
    excused: dict[str, int]
    seconds: float


def night_after(day: date, timezone: str) -> datetime:
    """When the job is due that looks at this day."""
    return datetime.combine(day + timedelta(days=1), clock_time(2, 50), ZoneInfo(timezone))


def replay_day(stage: Stage, day: date) -> Replayed:
    """Fires the job, again while a newer revision may be under way.

    Raises:
        DemoFailed: a decision differs, or none was compared.
    """
    until = time.monotonic() + UNDER_WAY_S
    while True:
        begun = time.monotonic()
        report = stage.report_of("replay", night_after(day, stage.retailer.timezone))
        found = read(report, stage.retailer.id, time.monotonic() - begun)
        if not found.excused.get("late_event") or time.monotonic() > until:
            return check(found, report)
        time.sleep(1)


def read(report: dict[str, Any], retailer_id: str, seconds: float) -> Replayed:
    """One retailer's day of the job's report."""
    day = next(each for each in report["days"] if each["retailer"] == retailer_id)
    return Replayed(day["decisions"], day["same"], day["different"], dict(day["excused"]), seconds)


def check(found: Replayed, report: dict[str, Any]) -> Replayed:
    """Raises:
    DemoFailed: a decision differs, or none is the same.
    """
    if found.different:
        first = next(each for day in report["days"] for each in day["differences"])
        raise DemoFailed(
            f"{found.different} decisions are not what their events make of them, the first is {first['event']} "
            f"({', '.join(first['differs'])}); see functions/replay/README.md"
        )
    if not found.same:
        raise DemoFailed("not one decision of the live day could be replayed, so replay proves nothing; see its log")
    return found
