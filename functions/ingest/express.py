"""The express way of the event API: what nearly every request is, answered by the same rules with fewer steps.

It takes a tracker's `POST` with a known key, a known origin and nothing but valid events, and answers 204. Whatever is
signed, refused in part or whole, or merely unusual, it declines, and the handler answers: one place alone says no.
Decides nothing itself: reading is `layers.events`, taking is `rules`, keeping is `commit`, the door is `layers.shell`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from time import monotonic

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

Written = tuple[bytes, bytes]
"""An answer's head and body."""

Answer = Callable[[str | None], Response]
"""To a page of this origin; None for a sender that is no browser."""


class EventExpress:
    """Args:
    room: what the handler has, too. acknowledged, not_durable: the handler's own answers, so that no word is said
        twice. clock: when a request arrived.
    """

    most_body_bytes = MAX_BODY_BYTES

    def __init__(
        self,
        room: Lazily[Room],
        path: str,
        acknowledged: Answer,
        not_durable: Answer,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._room, self._path, self._clock = room, path, clock
        self._answers = (acknowledged, not_durable)
        self._takers: dict[bytes, Taker] = {}

    async def warm(self) -> None:
        """Makes the room before the first event comes. A store that is down now is tried again by the handler."""
        try:
            await self._room()
        except Exception as error:
            failure("the room is not ready yet", error)

    def taker(self, target: bytes) -> Taker | None:
        if not self._takers and self._room.made is not None:
            self._takers = {
                f"{self._path}?key={door.retailer.write_key}".encode(): self._lane(self._room.made, door)
                for door in self._room.made.doors.values()
            }
        return self._takers.get(target)

    def _lane(self, room: Room, door: Door) -> Taker:
        origins: dict[bytes | None, str | None] = {None: None}
        origins |= {origin.encode(): origin for origin in door.retailer.origins}
        yes, no = self._answers
        written = {sent: (_written(yes(origin)), _written(no(origin))) for sent, origin in origins.items()}
        return _Lane(room, door, written, self._clock)


def _written(response: Response) -> Written:
    return head_of(response), bytes(response.body)


class _Lane:
    """One retailer's.

    Args:
        answers: by origin as it is sent: that all is durable, and that it is not.
    """

    def __init__(
        self,
        room: Room,
        door: Door,
        answers: Mapping[bytes | None, tuple[Written, Written]],
        clock: Callable[[], datetime],
    ) -> None:
        self._commit, self._door, self._answers, self._clock = room.commit, door, answers, clock
        self._known, self._bringing = room.suppressions.known, room.bringing

    def __call__(self, headers: Headers, body: bytes, reply: Reply) -> bool:
        answers = self._answers.get(headers.get(b"origin"))
        if answers is None or headers.get(b"content-type") not in KINDS:
            return False
        if b"webhook-signature" in headers or b"content-encoding" in headers:
            return False
        if not self._known():
            return False
        now = self._clock()
        try:
            envelopes = read_envelopes(body, server=False)
            if self._door.former is not None and not self._bringing.done(self._door, envelopes):
                return False
            taken = take(envelopes, self._door, now)
            if taken.rejected or not taken.events:
                return False
            if self._door.allowance.spend(len(taken.events), monotonic()):
                return False
            self._commit.submit(self._door.retailer.id, taken.kept, taken.size, now, partial(_answer, reply, *answers))
        except (InvalidBody, Overloaded):
            return False
        except Exception as error:
            failure("the express way failed; the handler takes the request", error)
            return False
        return True


def _answer(reply: Reply, yes: Written, no: Written, durable: bool) -> None:
    reply(*(yes if durable else no))
