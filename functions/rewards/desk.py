"""Calls of whoever runs games: what the endpoint refuses is said in its own words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from functions.rewards.stages import CLOSED, MISSED
from layers.calling.asking import Answered, NoAddress, NoAnswer, exchanged, opened, read_json, renewing
from layers.calling.identity import CannotAsk, Identity

WITHIN_S = 60.0
LONGEST_PAUSE_S = 60.0
"""Between two looks while waiting; somebody else, or the schedule, may close it in between."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Args:
    url: of the service. say: of what is waited for. pause: waits for so many seconds. clock: the moment now.
    """

    url: str
    retailer: str
    identity: Identity
    say: Callable[[str], None]
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def announce(self, rules: str) -> dict[str, Any]:
        return self._json("POST", "/v1/games", {"retailer": self.retailer, "rules": rules})

    def games(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._json("GET", self._of())["games"]
        return found

    def standing(self, game: str) -> dict[str, Any]:
        return self._json("GET", self._of(game, "standing"))

    def transcript(self, game: str) -> bytes:
        return self._wanted("GET", self._of(game, "transcript"))

    def refunds(self, reference: str) -> bytes:
        return self._wanted("POST", "/v1/refunds", {"retailer": self.retailer, "reference": reference})

    def close(self, game: str, wait: bool) -> str:
        """How far the game is afterwards: its status.

        Raises:
            CannotAsk: refused, or with `wait` a game that can never be closed.
        """
        while True:
            status, content = self._call("POST", self._of(game, "close"), {})
            told = read_json(content)
            if status not in (200, 409, 503):
                raise CannotAsk(refusal(status, told))
            reached, until = str(told.get("status", "")), told.get("next")
            if reached in (CLOSED, MISSED):
                return reached
            if status == 409 and until is None:
                raise CannotAsk(refusal(status, told))
            said = f"{game} is {reached}" if status == 200 else refusal(status, told)
            if not wait:
                self.say(f"{said}{f'; next step from {until} on' if until and status == 200 else ''}")
                return reached or "open"
            seconds = 2.0
            if until:
                seconds = max(0.2, (datetime.fromisoformat(until) - self.clock()).total_seconds() + 0.2)
            self.say(f"{said}; waiting{f' until {until}' if until else ''}")
            self.pause(min(seconds, LONGEST_PAUSE_S))

    def _of(self, *parts: str) -> str:
        return "/".join(["/v1/games", *(quote(part, safe="") for part in (self.retailer, *parts))])

    def _json(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return read_json(self._wanted(method, path, body))

    def _wanted(self, method: str, path: str, body: object = None) -> bytes:
        status, content = self._call(method, path, body)
        if status != 200:
            raise CannotAsk(refusal(status, read_json(content)))
        return content

    def _call(self, method: str, path: str, body: object = None) -> Answered:
        return renewing(self.identity, lambda: self._sent(method, path, body))

    def _sent(self, method: str, path: str, body: object) -> Answered:
        try:
            connection, base = opened(self.url, WITHIN_S)
            return exchanged(connection, method, base + path, self.identity.token(), body)
        except NoAddress:
            raise CannotAsk(f"{self.url} is no address; it begins with https://") from None
        except NoAnswer as error:
            raise CannotAsk(
                f"{urlsplit(self.url).netloc} does not answer ({error.reason}); look at the address, and send it again"
            ) from None


def refusal(status: int, told: dict[str, Any]) -> str:
    """What the endpoint refused, in its own words."""
    said = f"{told.get('title', 'it was refused')}: {told['detail']}" if "detail" in told else "it was refused"
    return f"{said} ({status})"
