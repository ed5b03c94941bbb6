"""After the live day: every event followed through every store, and every answer compared with the decision logged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from emulators.shop.audit import Audit
from emulators.shop.cold import Cold
from emulators.shop.hot import stored_ids
from emulators.shop.live_day import Played
from emulators.shop.screen import Screen, until
from emulators.shop.stage import DemoFailed, Stage
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
    compared, agreeing: answers to pages, and those whose node is the one that was logged for the same event.
    """

    count: int
    revised: int
    compared: int
    agreeing: int


def settle(stage: Stage, audit: Audit, history: int, played: Played, screen: Screen) -> tuple[Followed, Decided]:
    """Waits until the day has cooled, then counts.

    Args:
        history: events of the past, all acknowledged.

    Raises:
        DemoFailed: an event is missing somewhere, or a live event has no decision.
    """
    cold = Cold(stage.values, stage.retailer)
    live = set(played.tally.acknowledged)
    total = history + len(live)
    with screen.bar("cooling, events", total) as bar:
        until(bar, cold.events_so_far, total, passing=(Unavailable,))
    with screen.bar("dispatched, events", total) as bar:
        until(bar, lambda: len(audit.ids), total)
    with screen.bar("cooling, decisions", len(live)) as bar:
        decided_so_far = partial(cold.number, "COUNT(DISTINCT event_id)", "cooled_decisions")
        until(bar, decided_so_far, len(live), passing=(Unavailable,))
    stored, cooled = stored_ids(stage.values, stage.retailer.id), cold.event_ids()
    sent = history + len(played.tally.sent)
    followed = Followed(sent, total, len(stored), len(audit.ids), len(cooled), sent - len(cooled))
    check(followed, played, stored, audit.ids, cooled)
    rows = cold.rows(f"SELECT event_id, node_after, revision FROM `{cold.dataset}.decisions`")
    decided = {str(row["event_id"]): str(row["node_after"]) for row in rows}
    without = live - decided.keys()
    if without:
        raise DemoFailed(f"{len(without)} live events have no decision, so decisioning lost them; see its log")
    return followed, compare(played, decided, _revised(cold))


def _revised(cold: Cold) -> set[str]:
    """Events decided more than once, since an earlier one came late."""
    rows = cold.rows(
        f"SELECT event_id FROM `{cold.dataset}.cooled_decisions` GROUP BY event_id HAVING MIN(revision) < MAX(revision)"
    )
    return {str(row["event_id"]) for row in rows}


def compare(played: Played, decided: Mapping[str, str], revised: Collection[str]) -> Decided:
    """What pages showed against what was logged.

    Args:
        decided: node after each event. revised: events whose decision changed after the page had been answered.

    Raises:
        DemoFailed: a page stood on another node than the log says, and no late event explains it.
    """
    compared = [event for event, answer in played.answers.items() if answer.node and event in decided]
    different = [event for event in compared if played.answers[event].node != decided[event]]
    unexplained = [event for event in different if event not in revised]
    if unexplained:
        raise DemoFailed(
            f"{len(unexplained)} pages stood on another node than their decision says, the first after event "
            f"{unexplained[0]}, so experiences and decisioning do not decide alike; replay that shopper's events"
        )
    return Decided(len(decided), len(revised), len(compared), len(compared) - len(different))


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
