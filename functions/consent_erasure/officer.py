"""The compliance officer's side of the endpoint: asks, waits, and says what happened.

Owns the calls and the identity token. Does not own the words on the command line (`__main__.py`), nor any rule of the
endpoint: what it refuses is said in its own words.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from functions.consent_erasure.rules import COMPLETE, INCOMPLETE, MAX_CUSTOMERS

Say = Callable[[str], None]

ATTEMPTS = 20
"""How often a request that stopped on the way is sent again: it goes on where it stopped."""

WITHIN_S = 1860.0
"""A request answers within the service's own 1 800 s, or not at all."""

_PASSING = (408, 429, 500, 502, 503, 504)


class CannotAsk(Exception):
    """It could not be asked, or was refused. The message says what to do, and holds no customer id."""


def customers(lines: Iterable[str]) -> list[str]:
    """One customer id a line, each once; empty lines do not count.

    Raises:
        CannotAsk: none, or more than one request may name.
    """
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not 1 <= len(found) <= MAX_CUSTOMERS:
        raise CannotAsk(
            f"{len(found)} customer ids were given, and a request names 1 to {MAX_CUSTOMERS}; nothing was asked. Give "
            "one a line; with more, split the file and give each part a reference of its own."
        )
    return found


def gcloud_token(address: str) -> str:
    """The identity token of whoever is logged in to gcloud on this machine.

    Raises:
        CannotAsk: nobody is, or there is no gcloud.
    """
    for options in ([f"--audiences={address}"], []):  # only a service account's token may name who it is for
        try:
            asked = ["gcloud", "auth", "print-identity-token", "--quiet", *options]
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            break
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    raise CannotAsk("gcloud gives no identity token; log in with `gcloud auth login`, or give one with --token-file.")


@dataclass(frozen=True, slots=True)
class Office:
    """Args:
    url: of the service consent_erasure. pause: waits for so many seconds.
    """

    url: str
    token: str
    say: Say
    pause: Callable[[float], None] = time.sleep

    def erase(self, retailer: str, reference: str, ids: list[str]) -> dict[str, Any]:
        """Asks until it is complete or incomplete; the last status.

        Raises:
            CannotAsk: refused, or still not done after all attempts.
        """
        body = {"retailer": retailer, "reference": reference, "customers": ids}
        for attempt in range(1, ATTEMPTS + 1):
            self.say(f"asking for the erasure of {len(ids)} customer(s), reference {reference}, attempt {attempt}")
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

    def status(self, id: str) -> dict[str, Any]:
        return self._wanted("GET", f"/v1/erasures/{id}")

    def receipt(self, id: str) -> bytes:
        """Byte for byte, as it was signed."""
        return self._bytes("GET", f"/v1/erasures/{id}/receipt")

    def key(self) -> bytes:
        return self._bytes("GET", "/v1/erasures/key")

    def show(self, status: dict[str, Any]) -> None:
        for store in status["stores"]:
            numbers = f"found {store['found']}, deleted {store['deleted']}" if "found" in store else "written"
            self.say(f"  {store['store']}: {numbers}, {'verified' if store['verified'] else 'not verified yet'}")

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

    def _call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        connection, base = connected(self.url)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, base + path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            if method == "POST":
                return 503, b"{}"  # whatever was done of it is recorded, so it is asked again
            raise CannotAsk(
                f"{connection.host} does not answer ({type(error).__name__}); look at the address"
            ) from None
        finally:
            connection.close()


def connected(url: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection to the service, and what its paths begin with.

    Raises:
        CannotAsk: no address.
    """
    to = urlsplit(url)
    if to.scheme not in ("http", "https") or not to.hostname:
        raise CannotAsk(f"--url is an address such as https://consent-erasure-….run.app, not {url!r}")
    secure = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
    return secure(to.hostname, to.port, timeout=WITHIN_S), to.path.rstrip("/")


def read_json(content: bytes) -> dict[str, Any]:
    try:
        told = json.loads(content or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def refusal(status: int, told: dict[str, Any]) -> str:
    if "detail" in told:
        return f"{told.get('title')}: {told['detail']}"
    if status in (401, 403):
        return f"Cloud Run refuses the caller ({status}): the identity is not one that the stack lets in"
    return f"the service answered {status} without a reason; is the address that of consent_erasure?"
