"""The compliance officer's side of the endpoint: asks, waits, and says what happened while it happens.

Owns what is asked. Does not own the connection (`layers.calling.asking`), the identity token
(`layers.calling.identity`), the words on the command line (`arguments.py`), nor any rule of the endpoint: what it
refuses is said in its own words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from functions.consent_erasure.lists import numbered
from functions.consent_erasure.rules import COMPLETE, INCOMPLETE, erasure_id
from layers.calling.asking import Answered, NoAddress, NoAnswer, Opened, exchanged, opened, read_json, renewing
from layers.calling.identity import CannotAsk, Identity

Say = Callable[[str], None]

ATTEMPTS = 20
"""How often a request that stopped on the way is sent again: it goes on where it stopped."""

WITHIN_S = 1860.0
"""A request answers within the service's own 1 800 s, or not at all."""

LOOKS_EVERY_S = 2.0

_PASSING = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Office:
    """Args:
    url: of the service consent_erasure. pause: waits for so many seconds. looks_every_s: while a request runs, its
        progress is asked for.
    """

    url: str
    identity: Identity
    say: Say
    pause: Callable[[float], None] = time.sleep
    looks_every_s: float = LOOKS_EVERY_S
    _told: dict[tuple[str, str], str] = field(default_factory=dict)

    def erase(self, retailer: str, reference: str, ids: Sequence[str]) -> dict[str, Any]:
        """Asks until it is complete or incomplete; the last status.

        Raises:
            CannotAsk: refused, or still not done after all attempts.
        """
        body = {"retailer": retailer, "reference": reference, "customers": list(ids)}
        for attempt in range(1, ATTEMPTS + 1):
            again = f", attempt {attempt}" if attempt > 1 else ""
            self.say(f"asking for the erasure of {len(ids)} customer(s), reference {reference}{again}")
            with self._watched(erasure_id(retailer, reference)):
                status, told = self._json("POST", "/v1/erasures", body)
            if status in (200, 202):
                found = self.status(told["id"])
                self.show(found)
                if found["status"] in (COMPLETE, INCOMPLETE):
                    return found
            elif status not in _PASSING:
                raise CannotAsk(refusal(status, told))
            else:
                self.say(f"it stopped on the way ({status}); it goes on from there in a moment")
            self.pause(min(60.0, 2.0**attempt))
        raise CannotAsk("the erasure has not ended; what was done is recorded. Send the same command again later.")

    @contextmanager
    def _watched(self, id: str) -> Iterator[None]:
        """Tells of each store as it is done: the request itself answers only at its end."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(self.looks_every_s):
                try:
                    code, told = self._json("GET", f"/v1/erasures/{id}")
                except CannotAsk:
                    continue
                if code == 200 and not ended.is_set():
                    self.show(told)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join(timeout=self.looks_every_s)

    def status(self, id: str) -> dict[str, Any]:
        return self._wanted("GET", f"/v1/erasures/{id}")

    def of_reference(self, retailer: str, reference: str) -> list[dict[str, Any]]:
        """The request of this reference, or those that a longer list was cut into.

        Raises:
            CannotAsk: there is none.
        """
        code, told = self._json("GET", f"/v1/erasures/{erasure_id(retailer, reference)}")
        if code == 200:
            return [told]
        refused = refusal(code, told)
        found: list[dict[str, Any]] = []
        while code == 404 or found:
            number = len(found) + 1
            code, told = self._json("GET", f"/v1/erasures/{erasure_id(retailer, numbered(reference, number))}")
            if code == 404:
                break
            if code != 200:
                raise CannotAsk(refusal(code, told))
            found.append(told)
        if not found:
            raise CannotAsk(refused)
        return found

    def receipt(self, id: str) -> bytes:
        """Byte for byte, as it was signed."""
        return self._bytes("GET", f"/v1/erasures/{id}/receipt")

    def key(self) -> bytes:
        return self._bytes("GET", "/v1/erasures/key")

    def show(self, status: dict[str, Any]) -> None:
        """Says of each store what was not said yet."""
        for store in status["stores"]:
            line, place = store_line(store), (status["id"], store["store"])
            if line and self._told.get(place) != line:
                self._told[place] = line
                self.say(f"  {line}")

    def _wanted(self, method: str, path: str) -> dict[str, Any]:
        status, told = self._json(method, path)
        if status != 200:
            raise CannotAsk(refusal(status, told))
        return told

    def _bytes(self, method: str, path: str) -> bytes:
        status, content = self._call(method, path)
        if status != 200:
            raise CannotAsk(refusal(status, read_json(content)))
        return content

    def _json(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        status, content = self._call(method, path, body)
        return status, read_json(content)

    def _call(self, method: str, path: str, body: object = None) -> Answered:
        return renewing(self.identity, lambda: self._sent(method, path, body))

    def _sent(self, method: str, path: str, body: object) -> Answered:
        connection, base = connected(self.url)
        try:
            return exchanged(connection, method, base + path, self.identity.token(), body)
        except NoAnswer as error:
            if method == "POST":
                return 503, b"{}"  # whatever was done of it is recorded, so it is asked again
            raise CannotAsk(f"{connection.host} does not answer ({error.reason}); look at the address") from None


def store_line(store: dict[str, Any]) -> str:
    """How far a store is; empty while nothing was done."""
    if not store["started"]:
        return ""
    name, numbers = store["store"], ""
    if "found" in store:
        numbers = f"found {store['found']}, deleted {store['deleted']}, "
    if not store["finished"]:
        return f"{name}: {numbers}going on"
    if not store["verified"]:
        return f"{name}: {numbers or 'written, '}not verified yet"
    if store.get("remaining"):
        return f"{name}: {numbers}{store['remaining']} came since, and go next"
    return f"{name}: {numbers or 'written, '}verified"


def connected(url: str) -> Opened:
    """A connection to the service, and what its paths begin with.

    Raises:
        CannotAsk: no address.
    """
    try:
        return opened(url, WITHIN_S)
    except NoAddress:
        raise CannotAsk(f"--url is an address such as https://consent-erasure-….run.app, not {url!r}") from None


def refusal(status: int, told: dict[str, Any]) -> str:
    if "detail" in told:
        return f"{told.get('title')}: {told['detail']}"
    if status in (401, 403):
        return f"Cloud Run refuses the caller ({status}): the identity is not one that the stack lets in"
    return f"the service answered {status} without a reason; is the address that of consent_erasure?"
