"""The same events again: twice, at the same time, in any order, late, and too early."""

from __future__ import annotations

from datetime import timedelta

from tests.chaos.faults import Refused
from tests.chaos.ledger import Batch
from tests.chaos.scenario import Run, scenario

AT_ONCE = 24


@scenario("repeats")
def repeats(run: Run) -> None:
    """Every batch comes three times, in a drawn order, regrouped, some from two clients at once and some after a 503;
    a third of the events is a day late and some are ahead of the clock by less than the skew: one row and one fact
    each, whatever came first."""
    ages = (timedelta(0), timedelta(days=1), timedelta(minutes=-4))
    batches = [run.wares.batch(ago=ages[place % 3]) for place in range(run.of(600, 60))]
    deliveries = [*batches, *batches, *(_regrouped(run, batch) for batch in batches)]
    run.chance.shuffle(deliveries)
    for start in range(0, len(deliveries), AT_ONCE):
        part = deliveries[start : start + AT_ONCE]
        run.at_once([*part, *part[: AT_ONCE // 4]])
        if start % (8 * AT_ONCE) == 0:
            # Stored and refused, so that each of these comes again after a 503.
            with run.proxy("pubsub").struck(Refused(method="Publish")):
                statuses = run.at_once(part)
            run.check(set(statuses) == {503}, "acknowledged though nothing could be published")
    for start in range(0, len(batches), AT_ONCE):
        statuses = run.at_once(batches[start : start + AT_ONCE])
        run.check(set(statuses) == {204}, "not acknowledged though nothing is broken")


def _regrouped(run: Run, batch: Batch) -> Batch:
    """The same events in another order, as after a restart of the page."""
    events = list(batch.events)
    run.chance.shuffle(events)
    return Batch(batch.customer, batch.session, tuple(events), batch.channel)


@scenario("future")
def future(run: Run) -> None:
    """Events ahead of the clock by more than five minutes are refused, each by name, and never stored; their
    neighbours in the same request are taken."""
    early = timedelta(minutes=-6)
    alone = [run.wares.batch(ago=early) for _ in range(run.of(100, 10))]
    run.check(set(run.at_once(alone, allowed=(400,))) == {400}, "taken from the future")
    mixed = []
    for _ in range(run.of(100, 10)):
        good, bad = run.wares.batch(2), run.wares.event(ago=early)
        mixed.append(Batch(good.customer, good.session, (good.events[0], bad, good.events[1])))
    run.check(set(run.at_once(mixed, allowed=(200,))) == {200}, "not answered with what was refused")
    refused = {batch.events[1]["id"] for batch in mixed} | {id for batch in alone for id in batch.ids}
    run.check(run.ledger.refused.keys() == refused, "others were refused than those from the future")
    run.check(all("future" in reason for reason in run.ledger.refused.values()), "refused for another reason")
