"""Functions that end under load: killed, and asked to stop."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from tests.chaos.faults import AnswersLate, Late
from tests.chaos.scenario import Run, scenario
from tests.chaos.site import UNDER_TEST

BETWEEN = 60
"""Events acknowledged between two blows, so that each falls under load."""


def _blows(run: Run) -> list[str]:
    """In the short form more to ingest, since only there a blow makes anything come twice."""
    blows = [function for function in UNDER_TEST for _ in range(run.of(10, 3 if function == "ingest" else 1))]
    run.chance.shuffle(blows)
    run.told.append(", ".join(f"{name} {count} times" for name, count in Counter(blows).items()))
    return blows


@contextlib.contextmanager
def _in_the_middle(run: Run) -> Iterator[None]:
    """Makes it likely that a blow falls between a deed and its answer: messages are published and ingest does not know
    it yet, rows are on their way to BigQuery and not there."""
    with (
        run.proxy("pubsub").struck(AnswersLate(method="Publish", ms=150)),
        run.proxy("bigquery_storage").struck(Late(method="AppendRows", ms=20)),
        run.load(clients=8),
    ):
        yield


def _published(run: Run) -> None:
    """Waits until something is just being published: clients whose requests travelled together rest together, too."""
    topic = run.proxy("pubsub")
    calls = topic.seen().calls.get("Publish", 0)
    run.until("a call of Publish", lambda: topic.seen().calls.get("Publish", 0) > calls, every_s=0.005)


@scenario("sigkill")
def killed(run: Run) -> None:
    """SIGKILL to ingest, cooling and decisioning under load, in a drawn order: nothing acknowledged is lost, and no
    fact stands twice, though requests and pushes are cut off in the middle and come again."""
    with _in_the_middle(run):
        for number, function in enumerate(_blows(run), start=1):
            run.more(BETWEEN)
            _published(run)
            run.site.kill(function)
            run.site.serve(function)
            run.say(f"blow {number}, {function}; {len(run.ledger.acknowledged)} acknowledged")
        run.more(BETWEEN)
    run.published_again()


@scenario("sigterm")
def asked_to_stop(run: Run) -> None:
    """SIGTERM likewise, as Cloud Run sends it: a function finishes what it has begun. So nothing is lost, and no event
    is published twice, since no answer of work that was done is withheld."""
    with _in_the_middle(run):
        for number, function in enumerate(_blows(run), start=1):
            run.more(BETWEEN)
            _published(run)
            run.site.ask_to_stop(function)
            run.site.serve(function)
            run.say(f"blow {number}, {function}; {len(run.ledger.acknowledged)} acknowledged")
        run.more(BETWEEN)
    run.published_once()
