"""Who takes part: the shoppers, what they do, and which of their traces must be gone. Pure; knows no network.

Every customer id and event id bears the run's own mark, so that a byte of it is found wherever it lies.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

MARK_LENGTH = 8
RECENT = 400
"""Batches that may be sent a second time."""

ALL_PURPOSES = {"measurement": True, "personalisation": True, "advertising": True, "rewards": True}


@dataclass(slots=True)
class Shopper:
    """Attributes:
    silent: since when nothing new is done, and only what is late may come.
    erased: since when, as the answer says; None while nobody asked for it.
    returned: came back after the erasure.
    events: when each of its events happened, by id.
    batches: what was sent, to be sent again.
    """

    number: int
    customer: str
    pseudonym: str
    silent: datetime | None = None
    erased: datetime | None = None
    returned: bool = False
    events: dict[str, datetime] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)

    def gone(self) -> Iterable[str]:
        """Ids of the events that may stand nowhere."""
        if self.erased is None:
            return ()
        return (id for id, at in self.events.items() if at <= self.erased)

    def lasting(self) -> set[str]:
        """Ids of the others."""
        return {id for id, at in self.events.items() if self.erased is None or at > self.erased}


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's content."""

    shopper: Shopper
    events: tuple[dict[str, Any], ...]

    def body(self) -> bytes:
        envelope = {"shopper": self.shopper.customer, "session": "s1", "channel": "web", "events": self.events}
        return msgspec.json.encode(envelope)


class Cast:
    """The shoppers of one run.

    Args:
        mark: of the run, `MARK_LENGTH` characters. pseudonym: as the stack's secret makes it.
    """

    def __init__(self, mark: str, seed: int, pseudonym: Callable[[str], str], now: Callable[[], datetime]) -> None:
        assert len(mark) == MARK_LENGTH
        self.mark, self._pseudonym, self._now = mark, pseudonym, now
        self._chance = random.Random(seed)
        self._events = 0
        self.shoppers: list[Shopper] = []
        self.by_customer: dict[str, Shopper] = {}
        self.by_code: dict[str, Shopper] = {}
        self.by_event: dict[str, Shopper] = {}
        self.lock = threading.RLock()

    def join(self, many: int) -> list[Shopper]:
        """So many more shoppers."""
        made = []
        for _ in range(many):
            number = len(self.shoppers)
            customer = f"{self.mark}c{number:08d}"
            shopper = Shopper(number, customer, self._pseudonym(customer))
            self.shoppers.append(shopper)
            self.by_customer[customer] = shopper
            self.by_code[shopper.pseudonym[2:]] = shopper
            made.append(shopper)
        return made

    # -- what they do

    def acts(self, shopper: Shopper, type: str, at: datetime | None = None) -> dict[str, Any]:
        """An event of this shopper's that nobody has seen yet; it happens now, or when it is said."""
        with self.lock:
            id = f"{self.mark}e{self._events:08d}"
            self._events += 1
            at = at or self._now()
            shopper.events[id] = at.replace(microsecond=at.microsecond // 1000 * 1000)
            self.by_event[id] = shopper
            return {"type": type, "id": id, "at": at.isoformat(timespec="milliseconds"), **self._content(type, id)}

    def _content(self, type: str, id: str) -> dict[str, Any]:
        chance = self._chance
        product, quantity, price = f"p{chance.randint(0, 50)}", chance.randint(1, 5), 2.5
        match type:
            case "PageViewed":
                return {"page": "/fruit", "kind": "category", "category": "FRUIT"}
            case "LinkClicked":
                return {"page": "/", "target": "/fruit"}
            case "Searched":
                return {"query": "oat milk", "results": chance.randint(0, 90)}
            case "ProductViewed":
                return {"product": product, "price": price}
            case "AddedToBasket" | "RemovedFromBasket":
                return {"product": product, "quantity": quantity, "price": price}
            case "BasketValidated":
                return {"total": 12.5, "lines": 3}
            case "OrderPaid":
                lines = [{"product": f"p{n}", "paid": 1.5 + n} for n in range(chance.randint(1, 4))]
                return {"order": f"o-{id}", "total": 9.5, "lines": lines}
            case "OrderStatusUpdated":
                line = {"product": product, "paid": price, "quantity": quantity, "substituted_for": "p51"}
                return {"order": f"o-{id}", "status": "delivered", "kept": {"total": price, "lines": [line]}}
            case "ExperienceShown" | "ExperienceClicked":
                return {"decision": f"d-{id}", "kind": "recommendation", "product": product}
            case "ConsentChanged":
                return {"purposes": ALL_PURPOSES}
            case _:
                raise ValueError(f"no content for {type}")

    def visit(self, shopper: Shopper, types: Sequence[str]) -> Batch:
        """Some events of the last seconds, in any order."""
        here = self._now()
        events = [
            self.acts(shopper, type, here - timedelta(milliseconds=self._chance.randint(0, 5000))) for type in types
        ]
        self._chance.shuffle(events)
        return self._sent(shopper, events)

    def afterwards(self, shopper: Shopper, types: Sequence[str]) -> Batch:
        """What a shopper who came back does now; none of it lies before the erasure."""
        return self._sent(shopper, [self.acts(shopper, type) for type in types])

    def late(self, shopper: Shopper, types: Sequence[str], mixed_with: Sequence[str] = ()) -> Batch:
        """Events of a silent shopper that happened before the erasure and were sent by nobody yet.

        Args:
            mixed_with: events of now, in the same request; only for a shopper who came back.
        """
        last = shopper.erased or shopper.silent
        assert last is not None
        events = []
        for type in types:
            # Down to the moment itself: what happened at the erasure is erased.
            ahead = timedelta(milliseconds=self._chance.choice((0, 1, 50, 5_000, 3_600_000)))
            events.append(self.acts(shopper, type, last - ahead))
        events += [self.acts(shopper, type) for type in mixed_with]
        self._chance.shuffle(events)
        return self._sent(shopper, events)

    def _sent(self, shopper: Shopper, events: Sequence[dict[str, Any]]) -> Batch:
        batch = Batch(shopper, tuple(events))
        shopper.batches.append(batch)
        return batch


TYPES = (
    "PageViewed",
    "LinkClicked",
    "Searched",
    "ProductViewed",
    "AddedToBasket",
    "AddedToBasket",
    "RemovedFromBasket",
    "BasketValidated",
    "OrderPaid",
    "OrderPaid",
    "OrderStatusUpdated",
    "ExperienceShown",
    "ExperienceClicked",
)
"""What is drawn from; consents are given once at the start and once at a return."""


class Script:
    """What comes next: news, repeats, what is held back, and what is late for the erased. One thread calls it.

    Attributes:
        drawn: how many batches of each kind.
    """

    def __init__(self, cast: Cast, crowd: Sequence[Shopper], seed: int) -> None:
        self._cast, self._crowd, self._chance = cast, crowd, random.Random(f"script{seed}")
        self._recent: deque[Batch] = deque(maxlen=RECENT)
        self._held: deque[tuple[int, Batch]] = deque()
        self._opening = deque(crowd)
        self._turn = 0
        self.drawn: dict[str, int] = {}

    @property
    def opened(self) -> bool:
        """Each shopper has been there once."""
        return not self._opening

    def next(self) -> Batch:
        with self._cast.lock:
            self._turn += 1
            kind, batch = self._draw()
            self.drawn[kind] = self.drawn.get(kind, 0) + 1
            return batch

    def _draw(self) -> tuple[str, Batch]:
        chance, cast = self._chance, self._cast
        while self._opening:
            shopper = self._opening.popleft()
            if not shopper.silent:
                batch = cast.visit(shopper, ("ConsentChanged", *chance.choices(TYPES, k=4)))
                self._recent.append(batch)
                return "new", batch
        if self._held and self._held[0][0] <= self._turn:
            return "held back", self._held.popleft()[1]
        draw = chance.random()
        if draw < 0.2 and (silent := [each for each in self._crowd if each.silent is not None]):
            return self._of_erased(chance.choice(silent))
        if draw < 0.32 and self._recent:
            return "doubled", chance.choice(self._recent)
        active = chance.choice(self._crowd)
        while active.silent:
            active = chance.choice(self._crowd)
        batch = cast.visit(active, chance.choices(TYPES, k=chance.choice((1, 2, 3))))
        if draw < 0.4:
            # Held back by a tracker without a network; when it comes, its shopper may have been erased.
            self._held.append((self._turn + 200, batch))
            return "doubled", self._recent[-1]
        self._recent.append(batch)
        return "new", batch

    def _of_erased(self, shopper: Shopper) -> tuple[str, Batch]:
        chance = self._chance
        if chance.random() < 0.5:
            return "doubled, erased", chance.choice(shopper.batches)
        types = chance.choices(TYPES, k=chance.choice((1, 2)))
        if shopper.returned and chance.random() < 0.7:
            return "late and new", self._cast.late(shopper, types, ("AddedToBasket", "PageViewed"))
        return "late", self._cast.late(shopper, types)

    def rest(self) -> Iterable[Batch]:
        """What is still held back."""
        while self._held:
            yield self._held.popleft()[1]


def now() -> datetime:
    return datetime.now(UTC)
