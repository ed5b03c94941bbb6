"""Stores that answer, but not as one would like: refused rows, answers in pieces, answers that never come."""

from __future__ import annotations

from tests.chaos.faults import AnswerLost, BrokenOff, Late, Refused, RowsRefused, Silent, Split
from tests.chaos.scenario import Run, scenario

STATUSES = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL")
MARK = "bad-"
TOGETHER = 24
"""Requests at once, so that one group commit holds some of each kind."""


@scenario("rows-refused")
def rows_refused(run: Run) -> None:
    """Bigtable refuses some rows of a group, each with a status of its own: exactly the requests that hold one of them
    are answered 503, and those which were written together with them are acknowledged."""
    table = run.proxy("bigtable")
    mixed = table.seen().mixed
    for number in range(run.of(40, 6)):
        batches = [run.wares.batch(mark=MARK if place % 3 == 0 else "") for place in range(TOGETHER)]
        # One bad event among good ones sinks its own request only.
        batches.append(run.wares.mixed(3, MARK))
        struck = [any(MARK in id for id in batch.ids) for batch in batches]
        with table.struck(RowsRefused(method="MutateRows", marker=MARK, status=STATUSES[number % len(STATUSES)])):
            statuses = run.at_once(batches)
        wrong = sum(status != (503 if bad else 204) for status, bad in zip(statuses, struck, strict=True))
        run.check(not wrong, f"{wrong} requests of {len(batches)} were answered for the rows of others")
        again = [batch for batch, bad in zip(batches, struck, strict=True) if bad]
        run.check(set(run.at_once(again)) == {204}, "not acknowledged although the rows are taken now")
    mixed = table.seen().mixed - mixed
    run.check(mixed > 0, "no group held both kinds, so nothing is proved")
    run.told.append(f"{mixed} groups held both kinds")


@scenario("answer-split")
def answer_split(run: Run) -> None:
    """The answer of MutateRows comes row by row, last row first, in many messages, some of them slow: every request is
    acknowledged all the same, at the first attempt."""
    for entries, pause_ms in ((1, 0), (2, 5), (3, 50)):
        with (
            run.proxy("bigtable").struck(Split(method="MutateRows", entries=entries, pause_ms=pause_ms)),
            run.load(allowed=(204,), clients=12),
        ):
            run.more(run.of(1000, 80))
    run.published_once()


@scenario("answer-broken-off")
def answer_broken_off(run: Run) -> None:
    """The answer of MutateRows ends in the middle, or becomes so slow that the deadline ends it: rows that it named are
    durable, those it did not name are repeated."""
    faults = [
        BrokenOff(method="MutateRows", entries=2, share=0.4, status=status)
        for status in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    ]
    if run.long:
        faults.append(Split(method="MutateRows", entries=1, pause_ms=4000, times=3))  # type: ignore[arg-type]
    for fault in faults:
        with run.proxy("bigtable").struck(fault, seed=run.seed), run.load(clients=12):
            run.more_answers(503)
            run.more(run.of(1000, 100))


@scenario("calls-refused")
def calls_refused(run: Run) -> None:
    """Half of the calls to a store fail, with each status that a cloud store gives when it is short of something."""
    with run.load():
        for status in STATUSES:
            for store, method in (("bigtable", "MutateRows"), ("pubsub", "Publish")):
                with run.proxy(store).struck(Refused(method=method, status=status, share=0.5), seed=run.seed):
                    run.more_answers(503, run.of(30, 3))
                    run.more(run.of(300, 30))
                run.say(f"{store} answered {status}; {run.ledger.statuses[503]} requests refused so far")


@scenario("answer-lost")
def answer_lost(run: Run) -> None:
    """The store did it, and nobody learnt so: rows that were written are written again, messages that were published
    are published again, and each event is one row and one fact."""
    with run.load():
        for store, method in (("bigtable", "MutateRows"), ("pubsub", "Publish")):
            fault = AnswerLost(method=method, status="UNAVAILABLE", share=0.4)
            with run.proxy(store).struck(fault, seed=run.seed):
                run.more_answers(503, run.of(100, 5))
                run.more(run.of(1000, 60))
        # Cooling's appends: the stream ends after rows were written and before their answer came.
        for _ in range(run.of(10, 2)):
            run.more(30)
            with run.proxy("bigquery_storage").down():
                run.more(10)


@scenario("slow-stores")
def slow_stores(run: Run) -> None:
    """Both stores become slow, then stop answering for a while: requests wait, some are refused, none is lost."""
    late = (Late(method="MutateRows", ms=300), Late(method="Publish", ms=300))
    with run.load(clients=12):
        with run.proxy("bigtable").struck(late[0]), run.proxy("pubsub").struck(late[1]):
            run.more(run.of(500, 60))
        if run.long:
            for store, method in (("bigtable", "MutateRows"), ("pubsub", "Publish")):
                with run.proxy(store).struck(Silent(method=method)):
                    run.more_answers(503, 12)
                run.say(f"{store} answers again")
                run.more(60)
