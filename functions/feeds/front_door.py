"""The front door as seen by a retailer's server: a signed request, sent until it is acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from layers.privacy.signature import sign

TRIES = 8
LONGEST_PAUSE_S = 10.0


class Closed(Exception):
    """The door does not answer, or does not know us. What was not acknowledged will be sent by the next run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`taken`: the request was read; `rejected` then lists the events that were not. Else the body as a whole was
    refused, for `reason`."""

    taken: bool
    rejected: list[dict[str, Any]]
    reason: str = ""


class FrontDoor(Protocol):
    def send(self, body: bytes) -> Answer:
        """Blocking. Raises: Closed."""


class SignedFrontDoor:
    """Args:
    url: of ingest. write_key, signing_key: the retailer's. pause: sleeps; a test gives one that does not.
    """

    def __init__(
        self, url: str, write_key: str, signing_key: bytes, pause: Callable[[float], None] = time.sleep
    ) -> None:
        import urllib3

        self._pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=urllib3.Timeout(connect=5, read=60))
        self._url = f"{url}/v1/events?key={write_key}"
        self._key, self._pause = signing_key, pause

    def send(self, body: bytes) -> Answer:
        from urllib3.exceptions import HTTPError

        fact = ""
        for attempt in range(TRIES):
            headers = {"content-type": "application/json", **sign(self._key, str(uuid4()), int(time.time()), body)}
            try:
                response = self._pool.request("POST", self._url, body=body, headers=headers)
            except HTTPError as error:
                fact = type(error).__name__
            else:
                if response.status in (200, 204, 400, 413):
                    return _read(response.status, response.data)
                fact = f"status {response.status}"
                if response.status not in (429, 500, 502, 503, 504):
                    break
            if attempt + 1 < TRIES:
                self._pause(min(LONGEST_PAUSE_S, 0.25 * 2**attempt))
        raise Closed(
            f"the front door did not take the orders ({fact}); they are sent again by the next run. "
            "If it goes on, check the ingest function's log and this retailer's keys"
        )


def _read(status: int, body: bytes) -> Answer:
    if status == 204:
        return Answer(True, [])
    document = msgspec.json.decode(body)
    rejected = document.get("rejected", [])
    return Answer(status == 200 or bool(rejected), rejected, str(document.get("detail", f"status {status}")))
