"""The express way of the event API: what nearly every request is, answered by the same rules with fewer steps.

It takes a tracker's `POST` with a known key, a known origin and nothing but valid events, and answers 204. Whatever is
signed, refused in part or whole, or merely unusual, it declines, and the handler answers: one place alone says no.
Decides nothing itself: reading is `layers.events`, taking is `rules`, keeping is `commit`, the door is `layers.shell`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from starlette.responses import Response

from functions.ingest.commit import Overloaded
from functions.ingest.room import Room
from functions.ingest.rules import Door, take
from layers.events.envelope import MAX_BODY_BYTES, InvalidBody, read_envelopes
from layers.shell.answers import head_of
from layers.shell.express import Headers, Reply, Taker
from layers.shell.lazily import Lazily
from layers.shell.log import failure

KINDS = frozenset({b"application/json", b"text/plain", b"text/plain;charset=UTF-8", b"application/json; charset=utf-8"})
"""Content types as browsers and SDKs write them; any other spelling is for the handler to read."""

Acknowledge = Callable[[str | None], Response]
"""The answer when all is durable, for an origin; None for a sender that is no browser."""


class EventExpress:
    """Args:
    room: what the handler has, too. acknowledge, refuse: the handler's own answers, so that no word is said twice.
    """

    most_body_bytes = MAX_BODY_BYTES

    def __init__(self, room: Lazily[Room], path: str, acknowledge: Acknowledge, refuse: Callable[[], Response]) -> None:
        self._room, self._path, self._acknowledge, self._refuse = room, path, acknowledge, refuse
        self._takers: dict[bytes, Taker] = {}

    async def warm(self) -> None:
        """Makes the room before the first event comes. A store that is down now is tried again by the handler."""
        try:
            made = await self._room()
        except Exception as error:
            failure("the room is not ready yet", error)
            return
        refusal = self._refuse()
        self._takers = {
            f"{self._path}?key={door.retailer.write_key}".encode(): _Lane(made, door, self._acknowledge, refusal)
            for door in made.doors.values()
        }

    def taker(self, target: bytes) -> Taker | None:
        return self._takers.get(target)


class _Lane:
    """One retailer's."""

    def __init__(self, room: Room, door: Door, acknowledge: Acknowledge, refusal: Response) -> None:
        self._commit, self._door = room.commit, door
        origins: dict[bytes | None, str | None] = {None: None}
        origins |= {origin.encode(): origin for origin in door.retailer.origins}
        self._acknowledged = {sent: head_of(acknowledge(origin)) for sent, origin in origins.items()}
        self._refused = {sent: _with_cors(refusal, acknowledge(origin)) for sent, origin in origins.items()}

    def __call__(self, headers: Headers, body: bytes, reply: Reply) -> bool:
        origin = headers.get(b"origin")
        if origin not in self._acknowledged or headers.get(b"content-type") not in KINDS:
            return False
        if b"webhook-signature" in headers or b"content-encoding" in headers:
            return False
        now = datetime.now(UTC)
        try:
            taken = take(read_envelopes(body, server=False), self._door, now)
            if taken.rejected or not taken.events:
                return False
            done = partial(self._answer, origin, reply)
            self._commit.submit(self._door.retailer.id, taken.events, taken.size, now, done)
        except (InvalidBody, Overloaded):
            return False
        return True

    def _answer(self, origin: bytes | None, reply: Reply, durable: bool) -> None:
        if durable:
            reply(self._acknowledged[origin])
        else:
            reply(*self._refused[origin])


def _with_cors(refusal: Response, acknowledgement: Response) -> tuple[bytes, bytes]:
    """The refusal's head and body, readable by the page to which the acknowledgement would have gone."""
    made = Response(refusal.body, refusal.status_code, {**acknowledgement.headers, **refusal.headers})
    return head_of(made), bytes(made.body)
