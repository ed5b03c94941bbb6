"""Stores that are not there: stopped, and standing still."""

from __future__ import annotations

from tests.chaos.scenario import Run, scenario

MANY = 60
"""Events acknowledged, or requests refused, before something changes again."""

DECIDED, REFUSED = '"decided"', "the message will come again"
"""What decisioning says of a push whose events it decided, and of one that it refused."""


@scenario("bigtable-down")
def bigtable_down(run: Run) -> None:
    """Pub/Sub up and Bigtable down: every request is answered 503 and nothing at all is published, so what is published
    is always stored. When Bigtable is back, all that was refused is taken."""
    with run.load():
        for _ in range(run.of(5, 1)):
            run.more(MANY)
            with run.proxy("bigtable").down():
                run.more_answers(503, run.of(MANY, 20))
                published = _published(run)
                run.more_answers(503, run.of(MANY, 20))
                run.check(_published(run) == published, "published while Bigtable was down")
            run.say(f"Bigtable is back; {run.ledger.statuses[503]} requests refused so far")
        run.more(MANY)


@scenario("pubsub-down")
def pubsub_down(run: Run) -> None:
    """Bigtable up and Pub/Sub down: events are stored and nothing is acknowledged, since nobody would hear of them.
    When Pub/Sub is back, the repetition of each is acknowledged, and it is still one event."""
    with run.load():
        for _ in range(run.of(5, 1)):
            run.more(MANY)
            with run.proxy("pubsub").down():
                run.more_answers(503, run.of(MANY, 20))
                acknowledged = len(run.ledger.acknowledged)
                run.more_answers(503, run.of(MANY, 20))
                run.check(len(run.ledger.acknowledged) == acknowledged, "acknowledged while Pub/Sub was down")
            run.say(f"Pub/Sub is back; {run.ledger.statuses[503]} requests refused so far")
        run.more(MANY)


def _published(run: Run) -> int:
    return run.proxy("pubsub").seen().calls.get("Publish", 0)


@scenario("bigquery-down")
def bigquery_down(run: Run) -> None:
    """BigQuery down under load: ingest goes on as if nothing were, cooling refuses its pushes, and when BigQuery is
    back all of them come again."""
    with run.load():
        for _ in range(run.of(5, 1)):
            run.more(MANY)
            with run.proxy("bigquery_storage").down():
                run.more(run.of(5 * MANY, 2 * MANY))
            run.say(f"BigQuery is back; {len(run.ledger.acknowledged)} acknowledged")
        run.more(MANY)


@scenario("firestore-down")
def firestore_down(run: Run) -> None:
    """Firestore down while decisioning starts anew, so that it knows no tree: ingest and cooling go on, nothing is
    decided without a tree, pushes are refused instead of waiting, and when Firestore is back every event is decided."""
    with run.load():
        for _ in range(run.of(5, 1)):
            run.more(MANY)
            with run.proxy("firestore").down():
                run.site.kill("decisioning")
                run.site.serve("decisioning")
                refused = run.site.log("decisioning").count(REFUSED)
                decided = run.site.log("decisioning").count(DECIDED)
                run.until("pushes refused", lambda: run.site.log("decisioning").count(REFUSED) > refused)  # noqa: B023
                run.more(MANY)
                run.check(run.site.log("decisioning").count(DECIDED) == decided, "decided without a tree")
            run.say(f"Firestore is back; {len(run.ledger.acknowledged)} acknowledged")
        run.more(MANY)


@scenario("paused")
def paused(run: Run) -> None:
    """Each emulator in turn stands still under load (SIGSTOP): connections stay, nothing answers. Calls end by their
    deadlines, clients are told to come again, and when it goes on nothing is lost and nothing doubled."""
    stores = ["bigtable", "pubsub", "bigquery", "firestore"] * run.of(3, 1)
    run.chance.shuffle(stores)
    run.told.append(", ".join(stores))
    with run.load():
        for store in stores:
            run.more(MANY)
            with run.site.paused(store):
                run.say(f"{store} stands still; {len(run.ledger.acknowledged)} acknowledged")
                if store in ("bigquery", "firestore"):
                    run.more(MANY)
                elif run.long:
                    run.more_answers(503)
                else:
                    _called(run, store)
        run.more(MANY)


def _called(run: Run, store: str) -> None:
    """Waits until the store that stands still was called: the short form does not wait for the deadline."""
    calls = sum(run.proxy(store).seen().calls.values())
    run.until("a call", lambda: sum(run.proxy(store).seen().calls.values()) > calls)
