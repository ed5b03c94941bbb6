"""What the retailer's page does: posts each event, asks what to show after it, tries again when told to.

Uses nothing but the two public keys and the documented contract of both endpoints.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec

from emulators.shop.connection import Connection, Reply
from layers.events.model import Event

ATTEMPTS = 6
"""Then a tracker gives up; an event that was not acknowledged by then counts as not acknowledged."""

UNAVAILABLE = "unavailable"
"""The answer's reason when the stores did not answer in time: the default is shown, and asking again is right."""

PAUSE_S = 0.2
"""Before the first repetition; each next pause is twice as long."""


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """One experience of an answer; the fields of its kind, the others None or empty."""

    kind: str
    slot: str = ""
    product: str | None = None
    products: tuple[str, ...] = ()
    text: str = ""
    generosity: float | None = None
    threshold: float | None = None
    missing: float | None = None
    name: str = ""
    prize: float | None = None


class After(msgspec.Struct, frozen=True):
    event: str
    counted: bool


class Answer(msgspec.Struct, frozen=True):
    """`GET /v1/experiences`. Members that the story does not use are ignored, as a page would."""

    node: str | None = None
    decision: str | None = None
    tree: str | None = None
    tree_version: str | None = None
    parameters_version: str | None = None
    after: After | None = None
    experiences: tuple[Shown, ...] = ()
    default: bool = False
    reason: str | None = None

    def recommended(self, at_most: int) -> tuple[str, ...]:
        """Products of the recommendations in the order shown, each once."""
        shown = (product for one in self.experiences if one.kind == "recommendation" for product in one.products)
        return tuple(dict.fromkeys(shown))[:at_most]


@dataclass(frozen=True, slots=True)
class Front:
    """Where a page of the retailer calls, and as what.

    Attributes:
        token: what the shop's own server gives a page to prove whose it is, by customer id.
    """

    ingest: str
    experiences: str
    write_key: str
    read_key: str
    origin: str
    token: Callable[[str], str]


@dataclass(slots=True)
class Tally:
    """What one tracker, or all of them together, saw. `unexpected`: status and reason -> how often."""

    sent: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    retries: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    uncounted: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.unexpected[what] = self.unexpected.get(what, 0) + 1


class Tracker:
    """One page, that is one connection to each endpoint; its requests follow one another.

    Args:
        pause_s: before the first repetition of a request; a test gives none.
    """

    def __init__(self, front: Front, tally: Tally, pause_s: float = PAUSE_S) -> None:
        self._front, self._tally, self._pause_s = front, tally, pause_s
        self._ingest, self._experiences = Connection(front.ingest), Connection(front.experiences)
        self._post_to = "/v1/events?" + urlencode({"key": front.write_key})
        self._read_from = "/v1/experiences?" + urlencode({"key": front.read_key})
        # A page posts as text/plain, so that the browser needs no preflight.
        self._post_headers = {"Origin": front.origin, "Content-Type": "text/plain;charset=UTF-8"}
        self._read_headers = {"Origin": front.origin, "Accept": "application/json"}

    async def send(self, shopper: str, session: str, event: Event) -> bool:
        """Posts one event; True when it is acknowledged as durable."""
        body = msgspec.json.encode({"shopper": shopper, "session": session, "channel": "web", "events": [event]})
        self._tally.sent.append(event.id)
        reply = await self._tried(self._ingest, "POST", self._post_to, self._post_headers, body)
        if reply is None or reply.status != 204:
            self._tally.note(f"POST /v1/events answered {_said(reply)}")
            return False
        self._tally.acknowledged.append(event.id)
        return True

    async def experience(self, shopper: str, after: str) -> Answer | None:
        """What to show now, counting the event `after`; None when no answer came."""
        headers = {**self._read_headers, "Gondola-Shopper": self._front.token(shopper)}
        answer = Answer(reason=UNAVAILABLE)
        for attempt in range(ATTEMPTS):
            self._tally.retries += bool(attempt)
            reply = await self._tried(self._experiences, "GET", f"{self._read_from}&after={after}", headers, b"")
            if reply is None or reply.status != 200:
                self._tally.note(f"GET /v1/experiences answered {_said(reply)}")
                return None
            answer = msgspec.json.decode(reply.body, type=Answer)
            if answer.reason != UNAVAILABLE:
                break
        if answer.after is None or answer.after.event != after or not answer.after.counted:
            self._tally.uncounted.append(after)
        return answer

    async def look(self, shopper: str, after: str) -> Answer | None:
        """The page once more, by somebody who only looks: nothing is tallied. None when no answer came."""
        headers = {**self._read_headers, "Gondola-Shopper": self._front.token(shopper)}
        try:
            reply = await self._experiences.request("GET", f"{self._read_from}&after={after}", headers)
        except (OSError, TimeoutError):
            return None
        return msgspec.json.decode(reply.body, type=Answer) if reply.status == 200 else None

    async def step(self, shopper: str, session: str, event: Event) -> Answer | None:
        """One action of the shopper and what the page shows next, timed from the one to the other."""
        begun = time.perf_counter()
        acknowledged = await self.send(shopper, session, event)
        answer = await self.experience(shopper, event.id) if acknowledged else None
        if answer is not None:
            self._tally.latencies_ms.append((time.perf_counter() - begun) * 1000)
        return answer

    def close(self) -> None:
        self._ingest.close()
        self._experiences.close()

    async def _tried(
        self, connection: Connection, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Reply | None:
        """Repeats what is safe to repeat: both requests are, an event's id makes a second copy the same event."""
        reply: Reply | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._tally.retries += 1
                await asyncio.sleep(self._pause_s * 2 ** (attempt - 1))
            try:
                reply = await connection.request(method, target, headers, body)
            except (OSError, TimeoutError):
                continue
            if reply.status not in (429, 502, 503, 504):
                break
        return reply


def _said(reply: Reply | None) -> str:
    """Status and problem kind, without the rest of the document."""
    if reply is None:
        return "nothing"
    try:
        kind = msgspec.json.decode(reply.body, type=dict[str, object]).get("type", "")
    except msgspec.MsgspecError:
        kind = ""
    return f"{reply.status} {str(kind).rsplit('/', 1)[-1]}".strip()
