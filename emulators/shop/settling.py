"""After the live day: every event followed through every store, and every answer compared with the decision logged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from emulators.shop.audit import Audit
from emulators.shop.cold import Cold
from emulators.shop.hot import stored_ids
from emulators.shop.live_day import Played, sight_id
from emulators.shop.screen import Screen, until
from emulators.shop.sessions import Session
from emulators.shop.stage import DemoFailed, Stage
from layers.events.model import Event
from layers.stores.bigquery.port import Unavailable


@dataclass(frozen=True, slots=True)
class Followed:
    """Events of the whole story; all numbers but `lost` are equal, and `lost` is 0."""

    sent: int
    acknowledged: int
    stored: int
    dispatched: int
    cooled: int
    lost: int


@dataclass(frozen=True, slots=True)
class Decided:
    """Attributes:
    count: live events with a decision, each counted once. revised: of them, decided again after a late event.
    compared, agreeing: pages that name a decision, and those that stood on the node which was logged for it.
    """

    count: int
    revised: int
    compared: int
    agreeing: int


def settle(
    stage: Stage,
    audit: Audit,
    events: int,
    decisions: int,
    played: Played,
    excused: Collection[str],
    screen: Screen,
) -> tuple[Followed, Decided]:
    """Waits until the day has cooled, then counts.

    Args:
        events, decisions: of the story so far: all acknowledged, all logged. excused: see `compare`.

    Raises:
        DemoFailed: an event is missing somewhere, or a live event has no decision.
    """
    cold = Cold(stage.values, stage.retailer)
    live = set(played.tally.acknowledged)
    total = events + len(live)
    with screen.bar("cooling, events", total) as bar:
        until(bar, cold.events_so_far, total, passing=(Unavailable,))
    with screen.bar("dispatched, events", total) as bar:
        until(bar, lambda: len(audit.ids), total)
    with screen.bar("cooling, decisions", decisions + len(live)) as bar:
        decided_so_far = partial(cold.number, "COUNT(DISTINCT event_id)", "cooled_decisions")
        until(bar, decided_so_far, decisions + len(live), passing=(Unavailable,))
    stored, cooled = stored_ids(stage.values, stage.retailer.id), cold.event_ids()
    sent = events + len(played.tally.sent)
    followed = Followed(sent, total, len(stored), len(audit.ids), len(cooled), sent - len(cooled))
    check(followed, played, stored, audit.ids, cooled)
    rows = cold.rows(f"SELECT event_id, node_after, parameters_version FROM `{cold.dataset}.decisions`")
    decided = {str(row["event_id"]): (str(row["node_after"]), str(row["parameters_version"] or "")) for row in rows}
    without = live - decided.keys()
    if without:
        raise DemoFailed(f"{len(without)} live events have no decision, so decisioning lost them; see its log")
    return followed, compare(played, decided, excused, _revised(cold))


def _revised(cold: Cold) -> int:
    """How many events were decided anew, since an earlier one came late."""
    rows = cold.rows(
        f"SELECT event_id FROM `{cold.dataset}.cooled_decisions` GROUP BY event_id HAVING MIN(revision) < MAX(revision)"
    )
    return len(rows)


def unsettled(shoppers: Sequence[Sequence[Session]]) -> set[str]:
    """Events at or after the time of one that their shopper sent late, as who is at two tills at once does, and the
    reports of what came into view after them.

    What a page showed for those may rightly differ from what is logged in the end: the late event may not have been
    delivered to decisioning when the page was answered from a state that counted the event just sent.
    """
    found: set[str] = set()
    for visits in shoppers:
        events = [event for session in visits for event in session.events]
        late = [event.at for event, before in zip(events, _latest_before(events), strict=True) if event.at < before]
        if late:
            late_or_after = [event.id for event in events if event.at >= min(late)]
            found.update(late_or_after, (sight_id(event) for event in late_or_after))
    return found


def _latest_before(events: Sequence[Event]) -> Iterator[datetime]:
    """For each event, the latest time of those sent before it."""
    latest = datetime.min.replace(tzinfo=UTC)
    for event in events:
        yield latest
        latest = max(latest, event.at)


def compare(played: Played, decided: Mapping[str, tuple[str, str]], excused: Collection[str], revised: int) -> Decided:
    """What pages showed against what was logged for the decision that they name.

    That decision is not always of the event just sent: after a late one the page stands where the newest one led. Nor
    is it always of the same parameters: a page that was answered before decisioning had the event holds an offer that
    decisioning then left out, for a cap, a combination or a budget, and says so by the version that it names.

    Args:
        decided: node after each event, and the version of the parameters that led there.
        excused: events that a late one unsettled. revised: handed on.

    Raises:
        DemoFailed: a page stood on another node than the log says, and no late event excuses it.
    """
    pages = [
        (answer.decision, answer.node, answer.parameters_version or "")
        for answer in played.answers.values()
        if answer.decision is not None and answer.decision in decided
    ]
    different = [(decision, version) for decision, node, version in pages if decided[decision][0] != node]
    unexplained = [
        decision for decision, version in different if decision not in excused and decided[decision][1] == version
    ]
    if unexplained:
        raise DemoFailed(
            f"{len(unexplained)} pages stood on another node than their decision says, the first for "
            f"{unexplained[0]}, so experiences and decisioning do not decide alike; replay that shopper's events"
        )
    return Decided(len(decided), revised, len(pages), len(pages) - len(different))


def check(followed: Followed, played: Played, stored: set[str], dispatched: set[str], cooled: set[str]) -> None:
    """Raises:
    DemoFailed: the numbers differ, with where events are missing.
    """
    tally = played.tally
    problems = [f"{what} ({number} times)" for what, number in sorted(tally.unexpected.items())]
    if tally.uncounted:
        problems.append(f"{len(tally.uncounted)} experiences did not count the event just sent")
    for store, ids in (("Bigtable", stored), ("Pub/Sub", dispatched), ("BigQuery", cooled)):
        missing = [event for event in tally.acknowledged if event not in ids]
        if missing:
            problems.append(f"{len(missing)} acknowledged live events are not in {store}, the first is {missing[0]}")
    numbers = (followed.sent, followed.acknowledged, followed.stored, followed.dispatched, followed.cooled)
    if followed.lost or len(set(numbers)) != 1:
        problems.append(
            "sent {}, acknowledged {}, stored {}, dispatched {}, cooled {} are not the same".format(*numbers)
        )
    if problems:
        raise DemoFailed(f"the live day did not hold: {'; '.join(problems)}. The logs say more.")
