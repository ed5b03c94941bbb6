"""What nobody repeats: clients that never come again, messages that are lost on their way to cooling."""

from __future__ import annotations

from tests.chaos.faults import AnswerLost, Refused
from tests.chaos.scenario import Run, scenario
from tests.chaos.witnesses import drop_undelivered, stored


@scenario("given-up")
def given_up(run: Run) -> None:
    """Clients send once and never again, while ingest is killed, calls are refused and answers are lost; and messages
    on their way to cooling are thrown away. So some events are stored that nobody dispatched or cooled. The
    reconciliation finds each by its arrival and dispatches it again: cooled = stored all the same."""
    for _ in range(run.of(5, 1)):
        with run.load(attempts=1, clients=8):
            for store, fault in (
                ("pubsub", Refused(method="Publish", share=0.5)),
                ("bigtable", Refused(method="MutateRows", share=0.3)),
                ("bigtable", AnswerLost(method="MutateRows", share=0.3)),
            ):
                run.more(20)
                with run.proxy(store).struck(fault, seed=run.seed):
                    run.more_answers(503, run.of(30, 5))
            for _ in range(run.of(5, 2)):
                run.more(20)
                run.site.kill("ingest")
                run.site.serve("ingest")
            run.more(20)
    run.site.kill("cooling")
    with run.load():
        run.more(60)
    drop_undelivered(run.site.values, "cooling--shopper-events")
    run.site.serve("cooling")
    never = stored(run.site.values, run.prefix).keys() - run.published().keys()
    run.check(bool(never), "everything stored was published, so nothing is proved")
    run.say(f"{len(never)} events are stored and were never published")
    run.told.append(f"{len(never)} were never published; {run.reconcile()} dispatched again")
