"""Plays the live day: some shoppers at a time, each of whose actions follow one another as on a real page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

import msgspec

from emulators.shop.measures import mean, recall
from emulators.shop.sessions import Session, event_id
from emulators.shop.tracker import Answer, Front, Tally, Tracker
from layers.events.model import Event, ExperienceShown

SHOPPERS_AT_A_TIME = 4
"""As many as two cores serve without queueing for long, beside all functions and emulators."""

SEEN_OF = 5
"""One experience in so many is reported as seen, chosen by the event's id."""

RECALL_AT = 10

Stamp = Callable[[Event], Event]
"""An action as it is sent."""

Watch = Callable[[Tracker, Session, Event, Answer], Awaitable[None]]
"""Somebody beside the page, who may look at it again before the shopper goes on."""

_KINDS = frozenset({"promotion", "game", "recommendation", "tension", "default"})


@dataclass(slots=True)
class Played:
    """What happened. Attributes:
    events: every event sent, by id. answers: by the event that they follow. first: each order's first answer.
    steps: actions of shoppers, that is all events but those about what came into view.
    """

    tally: Tally = field(default_factory=Tally)
    events: dict[str, Event] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    first: dict[str, Answer] = field(default_factory=dict)
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Recall:
    """Attributes:
    value: mean recall@10 over `orders` orders of shoppers who have parameters; None if there are none.
    popular: of the products that everybody buys most, on the same orders: what knowing the shopper must beat.
    """

    value: float | None
    orders: int
    without_parameters: int
    popular: float | None = None


def play(
    front: Front,
    shoppers: Sequence[Sequence[Session]],
    progress: Callable[[int], None],
    at_a_time: int = SHOPPERS_AT_A_TIME,
) -> Played:
    """Sends every session; the visits of one shopper one after the other, shoppers in the order given.

    Args:
        progress: told how many actions have been played.
    """
    return asyncio.run(play_all(front, shoppers, progress, at_a_time))


def as_it_is(event: Event) -> Event:
    return event


async def nobody(_tracker: Tracker, _session: Session, _event: Event, _answer: Answer) -> None:
    return


async def play_all(
    front: Front,
    shoppers: Sequence[Sequence[Session]],
    progress: Callable[[int], None],
    at_a_time: int,
    stamp: Stamp = as_it_is,
    watch: Watch = nobody,
) -> Played:
    """As `play`, in the running loop."""
    played = Played()
    waiting = iter(shoppers)

    async def page() -> None:
        tracker = Tracker(front, played.tally)
        try:
            for visits in waiting:
                for session in visits:
                    await _visit(tracker, session, played, progress, stamp, watch)
        finally:
            tracker.close()

    async with asyncio.TaskGroup() as pages:
        for _ in range(min(at_a_time, len(shoppers))):
            pages.create_task(page())
    return played


async def _visit(
    tracker: Tracker,
    session: Session,
    played: Played,
    progress: Callable[[int], None],
    stamp: Stamp,
    watch: Watch,
) -> None:
    for event in map(stamp, session.events):
        played.events[event.id] = event
        answer = await tracker.step(session.shopper, session.id, event)
        if answer is not None:
            played.answers[event.id] = answer
            played.first.setdefault(session.order.id, answer)
            seen = sight(event, answer)
            if seen is not None:
                # A page reports what came into view and asks nothing in return.
                played.events[seen.id] = seen
                await tracker.send(session.shopper, session.id, seen)
            await watch(tracker, session, event, answer)
        played.steps += 1
        progress(played.steps)


def sight(after: Event, answer: Answer) -> ExperienceShown | None:
    """The report that the first experience of an answer came into view; None for most, by the event's id."""
    if answer.decision is None or not answer.experiences or _number(after.id) % SEEN_OF:
        return None
    shown = answer.experiences[0]
    if shown.kind not in _KINDS:
        raise ValueError("an experience of a kind that no event can report")
    seen = {
        "type": "ExperienceShown",
        "id": sight_id(after.id),
        "at": after.at + timedelta(milliseconds=1),
        "decision": answer.decision,
        "kind": shown.kind,
        **({"node": answer.node} if answer.node else {}),
        **({"product": shown.product} if shown.product else {}),
    }
    return msgspec.convert(seen, ExperienceShown)


def sight_id(after: str) -> str:
    """Of the report that follows the event `after`."""
    return event_id(after, "seen")


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big")


def recall_of(shoppers: Sequence[Sequence[Session]], played: Played, popular: Sequence[str]) -> Recall:
    """Of what was recommended when a visit began, against what that visit bought.

    Args:
        popular: the products bought most before the day, best first.
    """
    known = [session for session in _all(shoppers) if _parameters(played, session)]
    shown = [played.first[session.order.id].recommended(RECALL_AT) for session in known]
    return Recall(
        _mean_recall(known, shown),
        len(known),
        sum(len(visits) for visits in shoppers) - len(known),
        _mean_recall(known, [popular] * len(known)),
    )


def _mean_recall(sessions: Sequence[Session], recommended: Sequence[Sequence[str]]) -> float | None:
    return mean(
        recall(products, {line.product for line in session.order.lines}, RECALL_AT)
        for session, products in zip(sessions, recommended, strict=True)
    )


def _parameters(played: Played, session: Session) -> bool:
    answer = played.first.get(session.order.id)
    return answer is not None and bool(answer.parameters_version)


def _all(shoppers: Sequence[Sequence[Session]]) -> Iterator[Session]:
    for visits in shoppers:
        yield from visits
