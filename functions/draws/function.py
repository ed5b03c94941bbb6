"""Declaration: every minute, games whose time has come are gone on with, and somebody is told of those that cannot."""

from layers.declarations import Alarm, Calls, Function, Measure, Scale, Schedule, Severity

WATCHED = "game watched"
"""The message of the log line that each game that was gone on with leaves."""

LOOKED = "games looked at"
"""And of the one that each look leaves."""

FUNCTION = Function(
    name="draws",
    purpose="Has games closed when their time has come: tickets sealed, winners drawn, the seed revealed.",
    trigger=Schedule(cron="* * * * *", attempt_deadline_s=120),
    needs=(Calls("rewards"),),
    scale=Scale(max_instances=1, timeout_s=120),
    measures=(Measure("looks", LOOKED), Measure("games", WATCHED, labels=("retailer", "verdict"))),
    alarms=(
        Alarm(
            "asleep",
            "looks",
            Severity.CRITICAL,
            "nobody closes games",
            "A draw whose list of tickets is not sealed within its `seal_s` can never be drawn. Run the job of `draws` "
            "by hand now, then read its log: the schedule is paused, or `rewards` refuses its account.",
            silent_s=300,
        ),
        Alarm(
            "late",
            "games",
            Severity.ERROR,
            "a game cannot be closed",
            "It is tried again each minute and nothing is lost. The line's `reason` says what is missing; `no-beacon`: "
            "no relay of the beacon answers with a round that is out; look at the beacon's own page.",
            label="verdict",
            among=("late", "failed"),
        ),
        Alarm(
            "missed",
            "games",
            Severity.CRITICAL,
            "a draw was not sealed in time and will never be drawn",
            "Its list of tickets could no longer be believed. Tell the players, announce a new game for them, and see "
            "in the log of `draws` why nobody sealed it.",
            label="verdict",
            among=("missed",),
        ),
    ),
)
